"""What media players send when something was played."""
