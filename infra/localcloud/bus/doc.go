// Package bus stands for EventBridge.
package bus
