package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

var (
	needsList  = lazy.Regexp(`\b(needs?|requires?|required|must have)\b.{0,40}\bpermissions?\b`)
	rightNamed = lazy.Regexp(`\bkms:[a-z]+\*?`)
)

// listedRights notes a guide to recovery across accounts whose list of rights has
// more than Elastic Disaster Recovery documents for it, in one place for all.
func listedRights(m *Material, r *Report) {
	if !m.disasterRecovery() || !m.shares() {
		return
	}
	all := m.sentences()
	for i, s := range all {
		if !needsList.MatchString(s.text) || !strings.Contains(s.text, "target account") || s.denies() {
			continue
		}
		reads, others := false, 0
		for _, next := range all[i+1:] {
			if next.under != s.under {
				break
			}
			for _, right := range rightNamed.FindAllString(next.text, -1) {
				if strings.HasPrefix(right, "kms:reencrypt") {
					reads = true
				} else if right != "kms:describekey" {
					others++
				}
			}
		}
		if others > 1 {
			text := "recovery across accounts is documented to take kms:ReEncrypt* for the target account and, in a statement of its own, for DRSStagingAccountRole_TARGET of the staging account, both through EC2; the list has more and leaves that role out"
			if !reads {
				text = "recovery across accounts is documented to take kms:ReEncrypt*, which the list lacks"
			}
			r.AddAs(finding.Info, s.at, "", text, "start from the two statements, and add a right when a refusal names it")
			return
		}
	}
}
