package ledger

// Tallies says how many names a witness remembers.
func (w *Witness) Tallies() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tallies)
}
