"""The Munich Appointment Bot."""
