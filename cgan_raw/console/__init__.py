"""What a command shares with the others: flags, exit codes, signals, text and progress on a terminal."""
