package drs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{templateType: {encryptionIs}, serverType: {encryptionIs, extensionIs, stagedAs, replicationIs}}
}

// Fill makes settings or a source server of an estate, in an account that is then
// initialized. Roles are not made: the estate has those that there are. See
// behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	c := &gate.Call{Region: r.Region, At: w.Now, Writing: true}
	c.Caller.Account = r.Account
	if !s.initialized(r.Account, r.Region) {
		s.accounts.Put(state.Key(r.Account, r.Region), &Account{Since: w.Now})
	}
	k, err := w.Keys.Named(r.Account, r.Region, r.Key, w.Now)
	if err != nil {
		return err
	}
	if r.Type == templateType {
		s.fillTemplate(c, r, k)
		return nil
	}
	return s.fillServer(c, w, r, k)
}

// encryptedAs is how disks are encrypted, by what an estate says of it or else of the
// key.
func encryptedAs(said string, k gate.KeyFacts) types.ReplicationConfigurationEbsEncryption {
	switch {
	case said != "":
		return types.ReplicationConfigurationEbsEncryption(said)
	case k.ARN == "" || k.Managed:
		return types.ReplicationConfigurationEbsEncryptionDefault
	}
	return types.ReplicationConfigurationEbsEncryptionCustom
}

func (s *Service) fillTemplate(c *gate.Call, r *estate.Resource, k gate.KeyFacts) {
	if r.ID = behalf.NameIn(r, templateKind+"/"); r.ID == "" {
		r.ID = "rct-" + s.IDs.Hex(17)
	}
	t := plainTemplate(r.ID)
	t.Arn, t.EbsEncryption = new(resourceARN(c, templateKind, r.ID)), encryptedAs(r.Attributes[encryptionIs], k)
	if k.ARN != "" && t.EbsEncryption == types.ReplicationConfigurationEbsEncryptionCustom {
		t.EbsEncryptionKeyArn = &k.ARN
	}
	s.templates.Put(state.Key(r.Account, r.Region, r.ID), t)
}

// fillServer makes a source server with one disk of 1 GiB. One that replicates has its
// staging volume, and a point in time to recover to.
func (s *Service) fillServer(c *gate.Call, w behalf.World, r *estate.Resource, k gate.KeyFacts) error {
	if r.ID = behalf.NameIn(r, serverKind+"/"); r.ID == "" {
		r.ID = "s-" + s.IDs.Hex(17)
	}
	v, err := s.newServer(c, &Agent{Account: r.Account, Region: r.Region, Hostname: r.ID, Disks: []AgentDisk{{Device: "/dev/nvme0n1", Bytes: 1 << 30}}})
	if err != nil {
		return err
	}
	v.ID = r.ID
	v.Replication, v.Launch = s.begin(c, v.ID, v.Disks), s.beginLaunch(c, v.ID, v.Hostname)
	if said := r.Attributes[encryptionIs]; said != "" || k.ARN != "" {
		v.Replication.EbsEncryption, v.Replication.EbsEncryptionKeyArn = encryptedAs(said, k), nil
		if k.ARN != "" && v.Replication.EbsEncryption == types.ReplicationConfigurationEbsEncryptionCustom {
			v.Replication.EbsEncryptionKeyArn = &k.ARN
		}
	}
	v.State = types.DataReplicationState(cmp.Or(r.Attributes[replicationIs], string(types.DataReplicationStateContinuous)))
	v.Generation, v.Started, v.Synced = 1, w.Now, w.Now
	v.Disks[0].Key = k.ARN
	status := types.ExtensionStatus(cmp.Or(r.Attributes[extensionIs], string(types.ExtensionStatusNotExtended)))
	if status != types.ExtensionStatusNotExtended {
		v.Staging = extensionIn(r.Attributes[stagedAs], status)
	} else if v.State == types.DataReplicationStateContinuous {
		err = s.fillStaging(w, v)
	}
	s.putServer(v)
	return err
}

// extensionIn is where a server is staged, by the ARN of the server there; without one
// nobody knows.
func extensionIn(staged string, status types.ExtensionStatus) *Extension {
	x := &Extension{Status: status}
	if a, err := arn.Parse(staged); err == nil {
		x.Account, x.Server = a.Account, strings.TrimPrefix(a.Resource, serverKind+"/")
	}
	return x
}

// fillStaging makes the staging volume of a server and a point in time. Their ids follow
// from the server's, so that an estate that was taken and put again has them once. Where
// the service-linked role is there, points are taken as always from then on.
func (s *Service) fillStaging(w behalf.World, v *Server) error {
	sum := sha256.Sum256([]byte(v.arn()))
	id := hex.EncodeToString(sum[:])
	v.Disks[0].Volume = "vol-0" + id[:16]
	snapshot := "snap-0" + id[:16]
	for _, r := range []*estate.Resource{
		{Type: "ec2:Volume", ID: v.Disks[0].Volume, Account: v.Account, Region: v.Region, Key: v.Disks[0].Key},
		{Type: "ec2:Snapshot", ID: snapshot, Account: v.Account, Region: v.Region, Key: v.Disks[0].Key},
	} {
		if err := w.Make(r); err != nil {
			return err
		}
	}
	p := &Point{Account: v.Account, Region: v.Region, Server: v.ID, ID: "pit-" + id[:17], Expected: w.Now, Done: w.Now, Snapshots: []string{snapshot}, Generation: v.Generation}
	s.points.Put(pointKey(p), p)
	if s.hasRole(v) {
		s.later(v, w.Now.Add(10*time.Minute), pointTask)
	}
	return nil
}

// hasRole reports whether there is the service-linked role that acts for a server.
func (s *Service) hasRole(v *Server) bool {
	role, ok := behalf.LinkedRole(principal, v.Account, v.Region)
	if !ok {
		return false
	}
	p, err := arn.ParsePrincipal(role)
	if err != nil {
		return false
	}
	_, there := s.Agent.Principals.UniqueID(p)
	return there
}
