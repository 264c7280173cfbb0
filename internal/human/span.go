package human

import (
	"fmt"
	"time"
)

// Span formats a duration with at most two units: "3 h 20 min".
func Span(d time.Duration) string {
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

// Since formats how long ago something was, roughly: one unit, in words.
func Since(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return Age(d) + " ago"
}

// Age formats a duration in words: "3 hours".
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return Plural(int64(d/time.Minute), "minute")
	case d < 2*day:
		return Plural(int64(d/time.Hour), "hour")
	case d < 2*365*day:
		return Plural(int64(d/day), "day")
	}
	return Plural(int64(d/(365*day)), "year")
}
