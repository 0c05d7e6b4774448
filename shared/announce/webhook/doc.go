// Package webhook brings events to URLs, signed as Standard Webhooks says, and
// keeps them until they are taken.
package webhook
