"""A small Telegram, a small city and their citizens: for the demo and the tests, never for production."""
