package estate

import (
	"fmt"

	"github.com/keyreach/keyreach/awsfacts"
)

// bindServiceLinked fills in what AWS says of a service-linked role that the
// estate does not hold: its policy is AWS's and cannot be changed, and whether
// that policy has rights on KMS keys is known for the roles in the table.
func (e *Estate) bindServiceLinked(c *Case) {
	role, ok := awsfacts.ServiceLinkedRoleFor(c.Request.Caller.Name)
	switch {
	case !ok:
		c.IdentityUnread = "the managed policy of " + c.Request.Caller.Name + " is not in the table of service-linked roles"
	case role.KMSUse && c.OnKMSKey():
		c.IdentityUnread = fmt.Sprintf("%s has rights on KMS keys in %s, whose text the estate does not hold", role.Name, role.ManagedPolicy)
	case !c.OnKMSKey():
		c.IdentityUnread = fmt.Sprintf("the estate does not hold %s, the policy of %s", role.ManagedPolicy, role.Name)
	}
}
