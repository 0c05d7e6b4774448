package registry

// Glancing has a registry look at the tags wherever a search goes on to more than
// one manifest, so that small worlds have such searches too.
func (r *Registry) Glancing() *Registry {
	r.wide = 1
	return r
}
