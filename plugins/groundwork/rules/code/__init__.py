"""Python read as a program: scopes, imports, where a value comes from and which texts it can be. Nothing is run."""
