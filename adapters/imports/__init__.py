"""Files that other services export, read row by row. Each format is one class."""
