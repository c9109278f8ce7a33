package ec2

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// fleetTaggables are fleets and Spot requests.
func (s *Service) fleetTaggables() []taggable {
	return []taggable{s.taggableFleets(), s.taggableSpots()}
}

func (s *Service) taggableFleets() taggable {
	return taggable{
		prefix: "fleet-", kind: types.ResourceTypeFleet,
		missing: func(id string) error {
			return refuse("InvalidFleetId.NotFound", "The fleet ID '"+id+"' does not exist") // assumed text
		},
		find: func(c *gate.Call, id string) (tagged, bool) {
			f := s.fleets.Get(state.Key(c.Caller.Account, c.Region, id))
			if f == nil {
				return tagged{}, false
			}
			tags := map[string]string{}
			for _, t := range f.Shown.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			return tagged{behalf.ARN("ec2", f.Region, f.Account, "fleet", "/", id), f.Account, tags}, true
		},
		put: func(c *gate.Call, id string, tags map[string]string) {
			f := *s.fleets.Get(state.Key(c.Caller.Account, c.Region, id))
			f.Shown.Tags = shownTags(tags)
			s.fleets.Put(f.row(), &f)
		},
		all: func(c *gate.Call) (ids []string) {
			for _, f := range s.fleets.All(state.Key(c.Caller.Account, c.Region, "")) {
				ids = append(ids, f.id())
			}
			return ids
		},
	}
}

func (s *Service) taggableSpots() taggable {
	return taggable{
		prefix: "sir-", kind: types.ResourceTypeSpotInstancesRequest,
		missing: func(id string) error {
			return refuse("InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '"+id+"' does not exist")
		},
		find: func(c *gate.Call, id string) (tagged, bool) {
			r := s.spots.Get(state.Key(c.Caller.Account, c.Region, id))
			if r == nil {
				return tagged{}, false
			}
			return tagged{behalf.ARN("ec2", r.Region, r.Account, string(types.ResourceTypeSpotInstancesRequest), "/", id), r.Account, r.Tags}, true
		},
		put: func(c *gate.Call, id string, tags map[string]string) {
			r := *s.spots.Get(state.Key(c.Caller.Account, c.Region, id))
			r.Tags = tags
			s.spots.Put(r.row(), &r)
		},
		all: func(c *gate.Call) (ids []string) {
			for _, r := range s.spots.All(state.Key(c.Caller.Account, c.Region, "")) {
				ids = append(ids, r.id())
			}
			return ids
		},
	}
}
