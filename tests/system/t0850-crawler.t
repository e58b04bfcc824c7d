#!/bin/bash
# examples/crawler finds what a crawler of a few lines of Python finds, on a site that a server of this test offers on
# 127.0.0.1: real folders of documentation, and pages made to be difficult. With one worker, two, eight, and under mplaunch.
. "$(dirname "$0")/lib.sh"

crawler=$MPL_BUILD/examples/crawler
if [ ! -x "$crawler" ]; then
    echo "1..0 # SKIP the example was not built: no libcurl"
    exit 0
fi
if ! command -v python3 > /dev/null; then
    echo "1..0 # SKIP no python3 to serve a site"
    exit 0
fi
export LC_ALL=C no_proxy='*' NO_PROXY='*'

cat > serve.py <<'END'
import http.server, os, sys

class Site(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # or each page on a kept connection takes 40 ms

    def do_GET(self):
        if self.path == "/no-answer":
            self.close_connection = True
        elif self.path in ("/moved", "/away"):
            self.send_response(302)
            self.send_header("Location", "target.html" if self.path == "/moved" else "http://example.invalid/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass

os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
with open(sys.argv[2] + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
END

cat > crawl.py <<'END'
import html.parser, sys, urllib.error, urllib.parse, urllib.request

class Links(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        links.extend(value for name, value in attributes if name == "href" and value is not None)

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

ask = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({})).open
first = sys.argv[1]
site, pages, lines = urllib.parse.urljoin(first, "/"), [first], []
for page in pages:
    try:
        answer = ask(page)
    except urllib.error.HTTPError as error:
        answer = error
    body, links = answer.read(), [answer.headers["Location"]] if answer.headers["Location"] else []
    if answer.headers.get_content_type() == "text/html":
        Links().feed(body.decode("latin-1"))
    lines.append(f"{answer.status} {len(body)} {page}")
    for link in links:
        link = urllib.parse.urldefrag(urllib.parse.urljoin(page, link)).url
        if link.startswith(site) and link not in pages:
            pages.append(link)
print(*sorted(lines, key=lambda line: line.split(" ", 2)[2]), sep="\n")
END

# Real folders: the first of the machine's documentation, as listings and files, and the first with pages of HTML.
mkdir -p site/doc site/deep/er
find /usr/share/doc -mindepth 1 -maxdepth 1 -type d 2> /dev/null | sort | head -n 40 | while read -r dir; do
    [ "$(find "$dir" | wc -l)" -lt 30 ] && ln -s "$dir" site/doc
done
find /usr/share/doc -name '*.html' -type f -printf '%h\n' 2> /dev/null | uniq -c | sort -k2 \
    | while read -r n dir; do [ "$n" -ge 5 ] && [ "$n" -le 200 ] && echo "$dir"; done | head -n 1 > with-html
[ -s with-html ] && ln -s "$(cat with-html)" site/html

# Pages made to be difficult: where links lead, how they are written, what they lead to.
cat > site/index.html <<'END'
<html><head><link rel="stylesheet" href="style.css"><title>first</title></head><body>
<a href="doc/">listings</a> <a href="html/">pages</a> <a href=''>this one</a> <a href='single.html'>single quotes</a>
<A HREF="/upper.html">upper case</A> <a class="x" href = "spaced.html" id="y">spaces</a> <a
href="deep/er/page.html">deeper</a> <a href="target.html#part">a part</a> <a href="#here">here</a>
<a href="search?a=1&amp;b=2">a query</a> <a href="/moved">moved</a> <a href="/away">away</a> <a href="gone.html">gone</a>
<a href="data.bin">no page</a> <a href="empty.html">empty</a> <a href="mailto:a@example.invalid">mail</a>
<a href="javascript:void(0)">script</a> <a href="http://example.invalid/">another host</a>
<a href="//example.invalid/x">another host</a> <a href="http://127.0.0.1:1/">another port</a>
<a href="https://127.0.0.1/">another scheme</a> <a href="single.html">again</a> <a href="big.html">big</a>
</body></html>
END
echo '<a href="../../index.html">up</a> <a href="../x.html">x</a> <a href="./y/../page.html">itself</a>' > site/deep/er/page.html
for name in single upper spaced target deep/x; do
    echo "<p>$name <a href='/index.html'>home</a>" > site/$name.html
done
: > site/empty.html
echo 'body { }' > site/style.css
{ printf '<a href="hidden.html">\0'; head -c 100000 /dev/urandom; } > site/data.bin
{
    for i in {1..300}; do echo "<p><a href='numbered/$((i % 150)).html'>$i</a> $(head -c 2000 /dev/zero | tr '\0' x)"; done
} > site/big.html
mkdir site/numbered
for i in {0..149}; do echo "<a href='$(((i + 1) % 150)).html'>next</a> <a href='../big.html'>all</a>" > site/numbered/$i.html; done

start python3 serve.py site "$T/port"
server=$pid
if ! wait_until 20 test -s port; then
    not_ok "the server of this test starts"
    comment err
    finish
fi
url=http://127.0.0.1:$(cat port)/

run python3 crawl.py "$url"
cp out right
check "python_crawls_the_site" [ "$code-$(($(wc -l < right) > 170))" = 0-1 ]
echo "# $(wc -l < right) pages, $(cut -d ' ' -f 1 right | sort | uniq -c | tr -s ' \n' ' ')"
for workers in 1 2 8; do
    run "$crawler" -w $workers -m 100000 "$url"
    check "${workers}_workers_find_what_python_finds" diff right out
    check "with_${workers}_the_code_is_0_and_nothing_on_stderr" [ "$code-$(wc -c < err)" = 0-0 ]
done
run "$launch" -n 3 "$crawler" -m 100000 "$url"
check "so_do_three_under_mplaunch" diff right out
check "and_its_code_is_0" [ "$code" -eq 0 ]
run "$crawler" -m 100000 "${url%/}"
check "the_slash_behind_the_host_may_be_left_out" diff right out

for limit in 1 7; do
    run "$crawler" -w 2 -m $limit "$url"
    check "at_most_${limit}_pages_are_asked_for" n_lines out $limit
done
run "$crawler" "${url}numbered/7.html"
check "any_page_may_be_the_first" grep -qF "${url}numbered/149.html" out

# What goes wrong.
echo '<a href="no-answer">none</a> <a href="target.html">one</a>' > site/partly.html
run "$crawler" -w 2 -m 5 "${url}partly.html"
check "a_page_without_answer_is_reported" [ "$code-$(grep -c no-answer err)" = 1-1 ]
check "and_the_rest_goes_on" grep -qF "${url}target.html" out
run "$crawler"
check "no_url_is_wrong_usage" [ "$code" -eq 2 ]
run "$crawler" "no url"
check "what_is_no_url_is_refused" [ "$code-$(grep -c 'no url: ' err)" = 2-1 ]
run "$crawler" -m 0 "$url"
check "no_pages_is_wrong_usage" [ "$code" -eq 2 ]
run "$crawler" -w x "$url"
check "workers_are_a_number" [ "$code-$(grep -c workers err)" = 1-1 ]

kill "$server"
end_of "$server" 5
run "$crawler" "$url"
check "a_server_that_is_gone_is_reported" [ "$code-$(wc -l < err)-$(wc -c < out)" = 1-1-0 ]

finish
