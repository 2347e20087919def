"""The policy as data: questions that people, models and code answer alike."""
