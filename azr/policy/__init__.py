"""The policy: the language model and its tokenizer, wherever its weights come from. May know the config, and no run."""
