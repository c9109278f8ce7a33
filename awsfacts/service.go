package awsfacts

import (
	"strings"
	"sync"
)

// ServiceLinkedRole is a role that a service makes for itself in an account; nobody
// can attach a policy to it. See
// docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html.
type ServiceLinkedRole struct {
	// Name is the role's name without a custom suffix.
	Name string
	// Path is where the role lives, as "/aws-service-role/drs.amazonaws.com/".
	Path string
	// Service is the service principal that may assume the role.
	Service string
	// ManagedPolicy is the AWS managed policy that holds all its permissions.
	ManagedPolicy string
	// KMSUse: the managed policy allows the use of keys. Without it a key of another
	// account opens to the role by a grant only.
	KMSUse bool
	// UsesEBS: the role starts instances, or handles volumes or snapshots, whose keys
	// it must be able to use.
	UsesEBS bool
	// Note explains; Source is the AWS page.
	Note, Source string

	customSuffix bool
}

type serviceFile struct {
	Source      string            `json:"source"`
	Date        string            `json:"date"`
	Meaning     string            `json:"meaning"`
	Suffix      string            `json:"via_service_suffix"`
	ViaServices map[string]string `json:"via_services"`
	Roles       []struct {
		Name          string `json:"name"`
		Service       string `json:"service"`
		ManagedPolicy string `json:"managed_policy"`
		KMSUse        bool   `json:"kms_use"`
		UsesEBS       bool   `json:"uses_ebs"`
		CustomSuffix  bool   `json:"custom_suffix"`
		Note          string `json:"note"`
		Source        string `json:"source"`
	} `json:"service_linked_roles"`
}

var (
	serviceTable = sync.OnceValue(func() serviceFile { return load[serviceFile]("services.json") })

	serviceLinkedRoles = sync.OnceValue(func() map[string]ServiceLinkedRole {
		roles := map[string]ServiceLinkedRole{}
		for _, r := range serviceTable().Roles {
			roles[r.Name] = ServiceLinkedRole{
				Name: r.Name, Path: serviceRolePath + r.Service + "/", Service: r.Service, ManagedPolicy: r.ManagedPolicy,
				KMSUse: r.KMSUse, UsesEBS: r.UsesEBS, Note: r.Note, Source: r.Source, customSuffix: r.CustomSuffix,
			}
		}
		return roles
	})

	services = sync.OnceValue(func() index[struct{}] {
		known := newIndex[struct{}]()
		for _, name := range iamTable().Services {
			known.add(name, struct{}{})
		}
		return known
	})
)

// serviceRolePath is where every service-linked role lives.
const serviceRolePath = "/aws-service-role/"

// ServiceLinkedRoleFor finds a service-linked role that matters to encrypted
// resources, by its name, its role ARN or the ARN of one of its sessions. The role
// of Auto Scaling may have a custom suffix ("AWSServiceRoleForAutoScaling_web"). An
// ARN without a path is accepted, since AWS's own samples drop it; one with another
// path is some other role.
func ServiceLinkedRoleFor(roleARNOrName string) (ServiceLinkedRole, bool) {
	path, name := splitRole(roleARNOrName)
	roles := serviceLinkedRoles()
	role, ok := roles[name]
	if !ok {
		base, _, cut := strings.Cut(name, "_")
		if role, ok = roles[base]; !ok || !cut || !role.customSuffix {
			return ServiceLinkedRole{}, false
		}
	}
	if path != "" && path != role.Path {
		return ServiceLinkedRole{}, false
	}
	return role, true
}

// IsServiceLinkedRole reports whether the ARN is that of a service-linked role, also
// of one that is not in the table.
func IsServiceLinkedRole(roleARN string) bool {
	path, _ := splitRole(roleARN)
	return strings.HasPrefix(path, serviceRolePath)
}

// splitRole takes the path and the name of a role out of its ARN. The path is empty
// if there is none, as in the ARN of a session or in a bare name.
func splitRole(text string) (path, name string) {
	if _, resource, ok := strings.Cut(text, ":assumed-role/"); ok {
		name, _, _ = strings.Cut(resource, "/")
		return "", name
	}
	if i := strings.Index(text, ":role/"); i >= 0 {
		resource := text[i+len(":role"):]
		last := strings.LastIndexByte(resource, '/')
		if path, name = resource[:last+1], resource[last+1:]; path == "/" {
			path = ""
		}
		return path, name
	}
	return "", text
}

// ViaServiceName takes a kms:ViaService value ("ec2.us-east-1.amazonaws.com") apart
// and reports whether the service is on the list at
// docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service.
// The suffix is amazonaws.com in every partition. A wildcard is left as it stands,
// and a service with wildcards is documented if it covers a listed one. A value of
// another form gives empty names.
//
// The list is older than some services (see [ViaServicesDate]): a name that is
// not documented deserves a warning, not an error.
func ViaServiceName(value string) (service, region string, documented bool) {
	table := serviceTable()
	host, ok := strings.CutSuffix(value, table.Suffix)
	if ok {
		host, ok = strings.CutSuffix(host, ".")
	}
	if ok {
		service, region, ok = strings.Cut(host, ".")
	}
	if !ok || service == "" || region == "" || strings.Contains(region, ".") {
		return "", "", false
	}
	if _, listed := table.ViaServices[service]; listed {
		return service, region, true
	}
	if strings.ContainsAny(service, "*?") {
		for name := range table.ViaServices {
			if glob(service, name) {
				return service, region, true
			}
		}
	}
	return service, region, false
}

// ViaServicesDate says how old the list of kms:ViaService names is (YYYY-MM).
func ViaServicesDate() string { return serviceTable().Date }

// KnownService reports whether the prefix ("kms", "s3") is that of a service with
// IAM actions, in any letter case.
func KnownService(prefix string) bool {
	_, ok := services().find(prefix)
	return ok
}

// ServiceLinkedRoleOf finds the service-linked role of a service principal, as
// "autoscaling.amazonaws.com".
func ServiceLinkedRoleOf(service string) (ServiceLinkedRole, bool) {
	for _, r := range serviceLinkedRoles() {
		if r.Service == service {
			return r, true
		}
	}
	return ServiceLinkedRole{}, false
}

// TakesSuffix reports whether a role of that service may have a custom suffix.
func (r ServiceLinkedRole) TakesSuffix() bool { return r.customSuffix }
