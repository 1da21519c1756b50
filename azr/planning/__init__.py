"""What a config takes of a machine, reckoned before anything is loaded: of configs, shapes and the learner's sizes."""
