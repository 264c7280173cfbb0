package draw

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Measures, in pixels.
const (
	width     = 1160
	left      = 232 // where rooms begin, right of the titles
	boxHeight = 28
	boxGap    = 12
	rowGap    = 10
	padding   = 12 // of a floor
	floorGap  = 26
	letter    = 7.3 // the width of a letter at the font size of room names
)

// A box is a room in the picture.
type box struct {
	room       string
	x, y, wide float64
}

func (b box) middle() float64 { return b.x + b.wide/2 }

// style works on light and dark pages.
const style = `<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
.title { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #59636e }
.floor { fill: #f3f5f8 } .room { fill: #fff; stroke: #8c959f } .need { stroke: #0969da; stroke-opacity: .28; fill: none; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .title { fill: #9198a1 }
.floor { fill: #161b22 } .room { fill: #0d1117; stroke: #656c76 } .need { stroke: #58a6ff; stroke-opacity: .34 }
}
</style>
`

// picture draws floors from the top down, and a line from each room to each room that it
// needs.
func picture(floors []floor, needs map[string][]string) []byte {
	var under, over bytes.Buffer
	boxes := map[string]box{}
	y := 0.0
	for _, f := range floors {
		rows := arrange(order(f.rooms, needs, boxes), y+padding)
		high := 2*padding + float64(len(rows))*(boxHeight+rowGap) - rowGap
		fmt.Fprintf(&under, "<rect class=\"floor\" x=\"0\" y=\"%.0f\" width=\"%d\" height=\"%.0f\" rx=\"8\"/>\n", y, width, high)
		titleLines(&over, f.title, y+high/2)
		for _, b := range slices.Concat(rows...) {
			boxes[b.room] = b
			fmt.Fprintf(&over, "<rect class=\"room\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" rx=\"5\"/>", b.x, b.y, b.wide, boxHeight)
			fmt.Fprintf(&over, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n", b.middle(), b.y+18, label(b.room))
		}
		y += high + floorGap
	}
	for _, f := range floors {
		for _, room := range f.rooms {
			for _, to := range needs[room] {
				curve(&under, boxes[room], boxes[to])
			}
		}
	}
	var svg bytes.Buffer
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" role=\"img\">\n", width, y-floorGap)
	fmt.Fprintf(&svg, "<title>The rooms of the house: each needs what a line leads down to</title>\n<!-- Made by go run ./scripts/housemap -->\n%s", style)
	svg.Write(under.Bytes())
	svg.Write(over.Bytes())
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

// order places rooms below those that need them, as far as these are drawn already.
func order(rooms []string, needs map[string][]string, above map[string]box) []string {
	weight := map[string]float64{}
	for _, room := range rooms {
		sum, n := 0.0, 0.0
		for from, b := range above {
			if slices.Contains(needs[from], room) {
				sum, n = sum+b.middle(), n+1
			}
		}
		weight[room] = width / 2
		if n > 0 {
			weight[room] = sum / n
		}
	}
	return slices.SortedStableFunc(slices.Values(rooms), func(a, b string) int {
		return cmp.Or(cmp.Compare(round(weight[a]), round(weight[b])), cmp.Compare(a, b))
	})
}

// round makes the order independent of the last bits of a sum.
func round(x float64) int { return int(x + 0.5) }

// arrange distributes rooms among centered rows of about equal width.
func arrange(rooms []string, y float64) (rows [][]box) {
	total := 0.0
	for _, room := range rooms {
		total += wide(room) + boxGap
	}
	const space = width - left - 2*padding
	n := int(total/space) + 1
	var row []box
	x := 0.0
	for _, room := range rooms {
		if len(row) > 0 && (x+wide(room) > space || x+wide(room)/2 > total/float64(n)) && len(rows) < n {
			rows = append(rows, center(row, x-boxGap, space))
			row, x, y = nil, 0, y+boxHeight+rowGap
		}
		row = append(row, box{room, x, y, wide(room)})
		x += wide(room) + boxGap
	}
	return append(rows, center(row, x-boxGap, space))
}

func wide(room string) float64 { return float64(len(label(room)))*letter + 22 }

// center centers a row and spreads it, but not so far that the rooms seem unrelated.
func center(row []box, used, space float64) []box {
	spread := min(46, (space-used)/float64(len(row)+1))
	used += spread * float64(len(row)-1)
	for i := range row {
		row[i].x += left + padding + (space-used)/2 + spread*float64(i)
	}
	return row
}

// curve draws a curve from the bottom of one room to the top of another.
func curve(w *bytes.Buffer, from, to box) {
	y1, y2 := from.y+boxHeight, to.y
	bend := (y2 - y1) / 2
	fmt.Fprintf(w, "<path class=\"need\" d=\"M%.1f %.0fC%.1f %.0f %.1f %.0f %.1f %.0f\"/>\n", from.middle(), y1, from.middle(), y1+bend, to.middle(), y2-bend, to.middle(), y2)
}

// titleLines writes a title with the line breaks of its comment.
func titleLines(w *bytes.Buffer, title string, middle float64) {
	lines := bytes.Split([]byte(title), []byte("\n"))
	for i, line := range lines {
		y := middle + 5 + 17*(float64(i)-float64(len(lines)-1)/2)
		fmt.Fprintf(w, "<text class=\"title\" x=\"%d\" y=\"%.0f\">%s</text>\n", padding+4, y, line)
	}
}
