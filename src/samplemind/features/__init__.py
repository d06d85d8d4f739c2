"""Every public function in this package's modules is a node of the feature graph."""
