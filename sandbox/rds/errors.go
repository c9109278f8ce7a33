package rds

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// The texts of what was not found, exists already or is in the wrong state are those
// that users report, but for those marked.
func noInstance(id string) error {
	return refuse("DBInstanceNotFound", "DBInstance "+id+" not found.")
}

func noCluster(id string) error {
	return refuse("DBClusterNotFoundFault", "DBCluster "+id+" not found.")
}

func invalid(text string) error { return refuse("InvalidParameterValue", text) }

func combination(text string) error { return refuse("InvalidParameterCombination", text) }

// identifier checks and writes in small letters the identifier of something new.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints.
func identifier(parameter, id string, longest int) (string, error) {
	if !identifiers.MatchString(id) || strings.Contains(id, "--") || strings.HasSuffix(id, "-") || len(id) > longest {
		return "", invalid("The parameter " + parameter + " is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.")
	}
	return strings.ToLower(id), nil
}

var identifiers = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)

// linked makes the service-linked role of RDS, which AWS makes with the first database
// of an account.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html.
func (s *Service) linked(ctx context.Context) error {
	_, err := s.Agent.EnsureLinkedRole(ctx, "rds.amazonaws.com")
	var denied *gate.Denied
	if errors.As(err, &denied) {
		return invalid("Unable to create the resource. Verify that you have permission to create service linked role. Otherwise wait and try again later")
	}
	return err
}

// page cuts a page from a list.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html.
func page[T any](list []T, marker *string, most *int32) ([]T, *string, error) {
	return pageOf(list, marker, most, 100)
}

// pageOf is page for a list of which a page may be longer.
func pageOf[T any](list []T, marker *string, most *int32, longest int32) ([]T, *string, error) {
	if most != nil && (*most < 20 || *most > longest) {
		return nil, nil, invalid("Invalid value for max records. Must be between 20 and " + strconv.Itoa(int(longest)))
	}
	part, next, ok := gate.Page(list, marker, most, 100)
	if !ok {
		return nil, nil, invalid("The marker is not valid.") // assumed text
	}
	return part, next, nil
}

func is(p *bool) bool { return p != nil && *p }
