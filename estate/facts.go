package estate

// Facts are what is known of a caller and a resource beside the policies. Who
// makes a case without an estate, because everything is known, gives them with
// Know; a key of the context that is then neither given nor derived is absent.
type Facts struct {
	// CallerTags are the tags of the user or role behind the caller; those of the
	// session stand in the request.
	CallerTags                 map[string]string
	CallerPlace, ResourcePlace Place
}

// Place is where an account stands in an organization; empty for an account that
// is in none.
type Place struct {
	Organization string
	Paths        []string // o-…/r-…/ou-…/
	// Unknown is set when the account may be in an organization that could not be
	// read.
	Unknown bool
}

// Know states the facts of a case. It is called before the case is used.
func (c *Case) Know(f Facts) {
	c.facts = facts{
		callerTags: f.CallerTags, tagsKnown: true,
		callerOrg:   place{known: !f.CallerPlace.Unknown, org: f.CallerPlace.Organization, paths: f.CallerPlace.Paths},
		resourceOrg: place{known: !f.ResourcePlace.Unknown, org: f.ResourcePlace.Organization, paths: f.ResourcePlace.Paths},
	}
}

// Prepare reads the principals of a grant that was made in code, so that it can
// be asked. Index does it for the grants of an estate.
func (g *Grant) Prepare(keyAccount string) error { return g.prepare(keyAccount) }
