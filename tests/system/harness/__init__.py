"""What the system tests stand on: real daemons in their own directories and on their own ports."""
