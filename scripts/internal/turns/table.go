//go:build linux

package turns

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Table writes rows as a Markdown table.
func Table(out io.Writer, rows []*Row) {
	per := slices.ContainsFunc(rows, func(r *Row) bool { return r.Per > 0 })
	columns := []string{"", "", "wall, lowest to highest", "of the first", "CPU", "of the first", "peak memory"}
	if per {
		columns = append(columns, "CPU for one")
	}
	line(out, columns)
	fmt.Fprintln(out, "|"+strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		for i, w := range r.Ways {
			name := r.Name
			if i > 0 {
				name = ""
			}
			cells := []string{name, w.Name, w.walls(), "", seconds(Median(w.costs, cpu)), "", w.memory()}
			if i > 0 {
				cells[3] = fmt.Sprintf("%.2f", w.ratio(r.Ways[0], wall))
				cells[5] = fmt.Sprintf("%.2f", w.ratio(r.Ways[0], cpu))
			}
			if per {
				cells = append(cells, w.each(r.Per))
			}
			line(out, cells)
		}
	}
}

func line(out io.Writer, cells []string) { fmt.Fprintln(out, "| "+strings.Join(cells, " | ")+" |") }

func (w *Way) walls() string {
	low, high := slices.MinFunc(w.costs, byWall), slices.MaxFunc(w.costs, byWall)
	return fmt.Sprintf("%s (%s to %s)", seconds(Median(w.costs, wall)), seconds(low.Wall), seconds(high.Wall))
}

func byWall(a, b Cost) int { return int(a.Wall - b.Wall) }

// seconds formats a duration, with milliseconds if it is below ten seconds.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// memory formats the peak, or an upper bound of it: Linux counts the memory of the parent
// process, which is this one, as the child's.
func (w *Way) memory() string {
	most := Median(w.costs, peak)
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err == nil && most <= own.Maxrss<<10 {
		return fmt.Sprintf("below %d MB", most/1e6+1)
	}
	return fmt.Sprintf("%d MB", most/1e6)
}

func (w *Way) each(per int) string {
	if per == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f µs", float64(Median(w.costs, cpu).Nanoseconds())/1e3/float64(per))
}
