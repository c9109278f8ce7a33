package ec2

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// computeTaggables are images, instances and launch templates.
func (s *Service) computeTaggables() []taggable {
	return []taggable{s.taggableInstances(), s.taggableImages(), s.taggableTemplates()}
}

func (s *Service) taggableInstances() taggable {
	return taggable{
		prefix: "i-", kind: types.ResourceTypeInstance,
		missing: func(id string) error { return missing("InvalidInstanceID.NotFound", "The instance ID", []string{id}) },
		find: func(c *gate.Call, id string) (tagged, bool) {
			i := s.instance(c.Caller.Account, c.Region, id)
			if i == nil {
				return tagged{}, false
			}
			return tagged{i.ARN(), i.Account, i.Tags}, true
		},
		put: func(c *gate.Call, id string, tags map[string]string) {
			i := *s.instance(c.Caller.Account, c.Region, id)
			i.Tags = tags
			s.putInstance(&i)
		},
		all: func(c *gate.Call) (ids []string) {
			for _, i := range s.instances.All(state.Key(c.Caller.Account, c.Region, "")) {
				ids = append(ids, i.ID)
			}
			return ids
		},
	}
}

// taggableImages: the owner and each recipient see their own tags only, as recorded.
func (s *Service) taggableImages() taggable {
	return taggable{
		prefix: "ami-", kind: types.ResourceTypeImage, missing: noImage,
		find: func(c *gate.Call, id string) (tagged, bool) {
			m := s.image(c, id)
			if m == nil || m.Account == amazon {
				return tagged{}, false
			}
			return tagged{m.ARN(), m.Account, m.Tags[c.Caller.Account]}, true
		},
		put: func(c *gate.Call, id string, tags map[string]string) {
			m := s.image(c, id).clone()
			if m.Tags == nil {
				m.Tags = map[string]map[string]string{}
			}
			if m.Tags[c.Caller.Account] = tags; len(tags) == 0 {
				delete(m.Tags, c.Caller.Account)
			}
			s.images.Put(m.row(), m)
		},
		all: func(c *gate.Call) (ids []string) {
			for _, m := range s.images.All(state.Key(c.Region, "")) {
				if s.image(c, m.ID) != nil {
					ids = append(ids, m.ID)
				}
			}
			return ids
		},
	}
}

func (s *Service) taggableTemplates() taggable {
	return taggable{
		prefix: "lt-", kind: types.ResourceTypeLaunchTemplate,
		missing: func(id string) error {
			return refuse("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID "+id+", does not exist.")
		},
		find: func(c *gate.Call, id string) (tagged, bool) {
			t := s.templates.Get(state.Key(c.Caller.Account, c.Region, id))
			if t == nil {
				return tagged{}, false
			}
			return tagged{t.arn(), t.Account, t.Tags}, true
		},
		put: func(c *gate.Call, id string, tags map[string]string) {
			t := *s.templates.Get(state.Key(c.Caller.Account, c.Region, id))
			t.Tags = tags
			s.templates.Put(t.row(), &t)
		},
		all: func(c *gate.Call) (ids []string) {
			for _, t := range s.templates.All(state.Key(c.Caller.Account, c.Region, "")) {
				ids = append(ids, t.ID)
			}
			return ids
		},
	}
}
