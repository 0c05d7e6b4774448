// Package announce makes events of what has changed: CloudEvents 1.0, each with
// an id that comes from its change, so that whoever gets one twice can tell.
package announce
