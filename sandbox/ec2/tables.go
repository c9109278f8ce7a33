package ec2

import "github.com/keyreach/keyreach/sandbox/state"

// tables are what EC2 remembers beside snapshots.
type tables struct {
	settings *state.Table[Settings] // account, Region
	volumes  *state.Table[Volume]   // account, Region, id
	locks    *state.Table[lock]     // Region, snapshot

	images    *state.Table[Image]           // Region, id
	instances *state.Table[Instance]        // account, Region, id
	templates *state.Table[Template]        // account, Region, id
	versions  *state.Table[TemplateVersion] // account, Region, id of the template, number

	fleets *state.Table[Fleet]       // account, Region, id
	spots  *state.Table[SpotRequest] // account, Region, id
}

func newTables(db *state.DB) tables {
	return tables{
		settings: state.NewTable[Settings](db, "ec2.settings", nil),
		volumes:  state.NewTable[Volume](db, "ec2.volumes", nil),
		locks:    state.NewTable[lock](db, "ec2.locks", nil),

		images:    state.NewTable[Image](db, "ec2.images", nil),
		instances: state.NewTable[Instance](db, "ec2.instances", nil),
		templates: state.NewTable[Template](db, "ec2.templates", nil),
		versions:  state.NewTable[TemplateVersion](db, "ec2.templates.versions", nil),

		fleets: state.NewTable[Fleet](db, "ec2.fleets", nil),
		spots:  state.NewTable[SpotRequest](db, "ec2.spots", nil),
	}
}
