"""Problems that are given: their sources, how they are asked, how answers vote. May know no method and no loop."""
