/**
 * What a person would stumble over on a page, found by a script in the page itself, which puts it into
 * the title as `found [...]`: texts of one picture that lie over each other, texts outside of their
 * picture, and a page wider than the window.
 */
const INSPECTION = `<script>
  const found = []
  const page = document.documentElement
  if (page.scrollWidth > innerWidth) found.push('the page is ' + page.scrollWidth + ' wide')
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect()
    if (frame.width < 100 || frame.height < 20) found.push('a picture is ' + frame.width + ' by ' + frame.height)
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ said: text.textContent, box: text.getBoundingClientRect() }))
    texts.forEach(({ said, box }, i) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push(said + ' is outside')
      for (const other of texts.slice(i + 1)) {
        const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
        const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top)
        if (wide > 1 && high > 4) found.push(svg.getAttribute('aria-label') + ': ' + said + ' / ' + other.said)
      }
    })
  }
  document.title = 'found ' + JSON.stringify(found)
</script>`

/** The page with the script at its end. */
export function inspected(html: string): string {
  return html.replace('</body>', `${INSPECTION}</body>`)
}
