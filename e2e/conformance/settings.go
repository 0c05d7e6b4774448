package main

// sparse are the settings of a registry that takes manifests whose children
// are missing.
const sparse = `repositories:
  - pattern: conformance/sparse/**
    indexes: none
    images: none
`
