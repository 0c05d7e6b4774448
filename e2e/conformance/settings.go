package main

// sparse are the settings of a registry that takes manifests whose children
// are missing.
const sparse = `repositories:
  - match: conformance/sparse/**
    indexes: none
`
