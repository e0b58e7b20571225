"""What the bot decides; what happened is recorded here, after it is stored."""
