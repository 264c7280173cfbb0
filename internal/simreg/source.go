package simreg

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// manifest returns the Cargo.toml of v, normalized as by "cargo package".
func manifest(v *Version) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by simreg.\n\n[package]\nedition = \"2021\"\n")
	if v.RustVersion != "" {
		fmt.Fprintf(&b, "rust-version = %q\n", v.RustVersion)
	}
	fmt.Fprintf(&b, "name = %q\nversion = %q\n", v.Name, v.Version)
	if v.Links != "" {
		fmt.Fprintf(&b, "build = \"build.rs\"\nlinks = %q\n", v.Links)
	} else {
		b.WriteString("build = false\n")
	}
	fmt.Fprintf(&b, "description = \"A simulated crate\"\nlicense = \"MIT\"\n\n[lib]\nname = %q\npath = \"src/lib.rs\"\n", ident(v.Name))
	if len(v.Features) > 0 {
		b.WriteString("\n[features]\n")
		for _, name := range slices.Sorted(maps.Keys(v.Features)) {
			fmt.Fprintf(&b, "%s = %s\n", name, tomlList(v.Features[name]))
		}
	}
	for i := range v.Deps {
		writeDep(&b, &v.Deps[i])
	}
	return b.String()
}

func writeDep(b *strings.Builder, d *Dep) {
	table := "dependencies"
	if d.Kind != "" {
		table = d.Kind + "-dependencies"
	}
	if d.Target != "" {
		table = fmt.Sprintf("target.'%s'.%s", d.Target, table)
	}
	fmt.Fprintf(b, "\n[%s.%s]\nversion = %q\n", table, d.alias(), d.req())
	if d.Rename != "" {
		fmt.Fprintf(b, "package = %q\n", d.Name)
	}
	if d.Optional {
		b.WriteString("optional = true\n")
	}
	if d.NoDefaultFeatures {
		b.WriteString("default-features = false\n")
	}
	if len(d.Features) > 0 {
		fmt.Fprintf(b, "features = %s\n", tomlList(d.Features))
	}
}

func tomlList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// library returns the src/lib.rs of v.
func library(v *Version) string {
	if v.Lib != "" {
		return v.Lib
	}
	var b strings.Builder
	fmt.Fprintf(&b, "//! %s %s, a simulated crate.\n\n", v.Name, v.Version)
	fmt.Fprintf(&b, "/// The name and version of this crate.\npub const ID: &str = %q;\n\n", v.Name+" "+v.Version)
	b.WriteString("/// Names this crate and, in parentheses, those that it was built with.\npub fn describe() -> String {\n")
	b.WriteString("    #[allow(unused_mut)]\n    let mut deps: Vec<&str> = Vec::new();\n")
	for i := range v.Deps {
		d := &v.Deps[i]
		if cond, ok := condition(v, d); ok {
			fmt.Fprintf(&b, "    %sdeps.push(::%s::ID);\n", cond, ident(d.alias()))
		}
	}
	b.WriteString("    if deps.is_empty() { ID.to_string() } else { format!(\"{} ({})\", ID, deps.join(\", \")) }\n}\n")
	return b.String()
}

// condition returns the attribute under which d exists at compile time; false means that
// the library cannot refer to it.
func condition(v *Version, d *Dep) (attr string, ok bool) {
	var all []string
	if d.Target != "" {
		cfg, isCfg := strings.CutPrefix(d.Target, "cfg(")
		if !isCfg {
			return "", false
		}
		all = append(all, strings.TrimSuffix(cfg, ")"))
	}
	if d.Optional {
		all = append(all, "any("+strings.Join(enablers(v, d.alias()), ", ")+")")
	}
	if len(all) > 0 {
		attr = "#[cfg(all(" + strings.Join(all, ", ") + "))] "
	}
	return attr, d.Kind == ""
}

// enablers returns the features that enable the optional dependency dep: those that list
// it, or its implicit one if none has "dep:".
func enablers(v *Version, dep string) []string {
	var out []string
	explicit := false
	for _, name := range slices.Sorted(maps.Keys(v.Features)) {
		items := v.Features[name]
		named := slices.Contains(items, "dep:"+dep)
		explicit = explicit || named
		if named || slices.ContainsFunc(items, func(s string) bool { return strings.HasPrefix(s, dep+"/") }) {
			out = append(out, fmt.Sprintf("feature = %q", name))
		}
	}
	if !explicit {
		out = append(out, fmt.Sprintf("feature = %q", dep))
	}
	return out
}
