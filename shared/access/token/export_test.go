package token

// Remembered is how many tokens need no signature verified.
func (v *Verifier) Remembered() int {
	v.memory.mu.Lock()
	defer v.memory.mu.Unlock()
	return len(v.memory.tokens)
}

// Forget empties the memory.
func (v *Verifier) Forget() {
	v.memory.mu.Lock()
	defer v.memory.mu.Unlock()
	clear(v.memory.tokens)
}
