"""What all realtime services share: the session contract, the happenings, the socket and the one processor."""
