"""Telegram in, Telegram out: no SQL, no HTTP, no rules."""
