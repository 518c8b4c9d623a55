"""Fuzzing of everything that reads what strangers wrote: only a HubError may come out, soon, and in little memory."""
