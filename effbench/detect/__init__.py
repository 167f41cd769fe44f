"""Events in audio of any length: windows, inference, outputs."""
