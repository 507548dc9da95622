# SPDX-License-Identifier: Apache-2.0
# filter.awk: makes what doxygen reads of a public header, whose comments are plain.
#
#   /* text */ before a declaration       becomes its documentation
#   declaration; /* text */               becomes its documentation too
#   the same of several declarations      that follow each other without an empty line: each gets the comment above them
#   the first comment that names the file becomes the file's; that of kdirect.h, the front page
#   ---- a heading ----                   is left out
#   lines indented by two or more spaces  stay as they are laid out
#
# What doxygen would take for a command, a tag or a link is escaped.  With -v man=1 a double quote in laid-out lines
# becomes U+E000, because doxygen's man pages show it as a single one there: api.sh puts it back.
BEGIN { shared = ""; file_done = 0 }

function escape(text) {
	gsub(/[\\@<>&#$%"]/, "\\\\&", text)
	gsub(/::/, ":\\:", text)
	return text
}

function keep(line) {
	if (man)
		gsub(/"/, "\xee\x80\x80", line)
	return line
}

# The text of a comment as doxygen wants it; laid-out lines between @verbatim and @endverbatim.
function body(text,    lines, n, i, out, laid, line) {
	n = split(text, lines, "\n")
	for (i = 1; i <= n; i++) {
		line = lines[i]
		sub(/[ \t]+$/, "", line)
		if (line ~ /^  +[^ ]/ && !laid) {
			out = out "\n@verbatim"
			laid = 1
		} else if (laid && line ~ /^ ?[^ ]/) {
			sub(/\n+$/, "", out)
			out = out "\n@endverbatim\n"
			laid = 0
		}
		out = out "\n" (laid ? keep(line) : escape(line))
	}
	if (laid) {
		sub(/\n+$/, "", out)
		out = out "\n@endverbatim\n"
	}
	return out
}

function document(text, mark) { return "/**" mark body(text) " */" }

# The first comment of a file without the file's name.
function name_off(text) {
	sub(/^kdirect\/[a-z_]+\.h: */, "", text)
	return text
}

# Collects a comment that begins in `line` at `at`; returns its text without the stars.
function collect(line, at,    text, end) {
	line = substr(line, at + 2)
	text = ""
	while (!(end = index(line, "*/"))) {
		text = text line "\n"
		if ((getline line) <= 0)
			return text
		if (line !~ /^[ \t]*\*\//)
			sub(/^[ \t]*\* ?/, "", line)
	}
	text = text substr(line, 1, end - 1)
	sub(/^ /, "", text)
	sub(/[ \t\n]+$/, "", text)
	return text
}

{
	at = index($0, "/*")
	before = at ? substr($0, 1, at - 1) : $0
}

/^[ \t]*$/ { shared = "" }

at && before ~ /^[ \t]*$/ {
	text = collect($0, at)
	if (text ~ /^SPDX/ || text ~ /^----/) {
		print ""
	} else if (!file_done && text ~ /^kdirect\//) {
		file_done = 1
		print "/** " (text ~ /^kdirect\/kdirect.h/ && !man ? "@mainpage" : "@file") "\n" body(name_off(text)) " */"
	} else {
		print document(text, "")
		fresh = 1
		shared = document(text, "")
	}
	next
}

at {
	text = collect($0, at)
	$0 = before
	tail = before ~ /^#[ie]/ ? "" : " " document(text, "<")
}

!at { tail = "" }

# A declaration at the top that follows another one belongs to the same comment.
/^KD_API/ && shared != "" && !fresh { print shared }
/^(KD_API|typedef|#define)/ { fresh = 0 }

{ print $0 tail }
