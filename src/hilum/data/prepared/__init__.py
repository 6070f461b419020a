"""What a prepared film is, and how a split of them is read: the ground that training stands on."""
