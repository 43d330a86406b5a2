"""The receivers of rows, one file each; the file's name is the value of `driver`."""
