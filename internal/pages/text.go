package pages

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

func count(n int64) string { return humanize.Comma(n) }

// size is in binary units, as disks are measured by those who fill them.
func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// duration has two units at most: "3 h 20 min".
func duration(d time.Duration) string {
	seconds := int64(max(0, d).Round(time.Second) / time.Second)
	units := []struct {
		seconds int64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}
	for i, u := range units {
		if seconds < u.seconds {
			continue
		}
		text := fmt.Sprintf("%d %s", seconds/u.seconds, u.name)
		if i+1 < len(units) {
			if rest := seconds % u.seconds / units[i+1].seconds; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// ago is coarse: one unit, in words.
func ago(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return age(d) + " ago"
}

// age is a duration as one says it: "3 hours".
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute")
	case d < 2*day:
		return plural(int64(d/time.Hour), "hour")
	case d < 2*365*day:
		return plural(int64(d/day), "day")
	}
	return plural(int64(d/(365*day)), "year")
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return count(n) + " " + unit + "s"
}
