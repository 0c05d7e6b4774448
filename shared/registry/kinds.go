package registry

// Kinds lists all kinds of what happens.
func Kinds() []Kind {
	return []Kind{
		ReferrerAttached, ReferrerDetached, ManifestPushed, ManifestDeleted,
		TagCreated, TagMoved, TagDeleted, RepositoryCreated,
	}
}
