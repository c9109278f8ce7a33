package sts

import (
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Give makes a session of a role, whose unique id is given, as AssumeRole does when
// nothing but the role and a name is asked for; nobody is asked. It is called in Update.
func (s *Service) Give(role arn.Principal, id, name string, now time.Time, lasts time.Duration) *gate.Session {
	session := &gate.Session{
		Account: role.Account, ARN: "arn:" + role.Partition + ":sts::" + role.Account + ":assumed-role/" + role.Name + "/" + name,
		ID: id + ":" + name, Principal: role.Text, PrincipalID: id, Tags: map[string]string{},
	}
	s.issue(&gate.Call{At: now}, session, int32((lasts+time.Second-1)/time.Second), nil)
	return session
}
