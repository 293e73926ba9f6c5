// Values under the pointer.  The page is whole without it: nothing is drawn here but a cursor.
'use strict';
(() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const digits = (v) => { const a = Math.abs(v); return a >= 99.95 || a === 0 ? 0 : a >= 9.995 ? 1 : a >= 0.9995 ? 2 : 3; };
  const scaled = (v, units, base) => {
    let i = 0;
    while (i + 1 < units.length && Math.abs(v) >= base * 0.9995) { v /= base; i++; }
    return v.toFixed(digits(v)) + ' ' + units[i];
  };
  const show = {
    ns: (v) => scaled(v, ['ns', 'µs', 'ms', 's'], 1000),
    bytes: (v) => scaled(v, ['B', 'kB', 'MB', 'GB', 'TB'], 1000),
    seconds: (v) => v < 120 ? v.toFixed(1) + ' s' : Math.floor(v / 60) + ' min ' + Math.round(v % 60) + ' s',
    nines: (v) => { const p = 100 - 100 / 10 ** v; return p.toFixed(Math.max(1, Math.ceil(v))) + ' %'; },
    ratio: (v) => v.toFixed(2) + '×',
    count: (v) => v >= 1000 ? Math.round(v).toLocaleString('en-US') : v.toFixed(v >= 100 ? 0 : 2),
  };
  const axis = (text) => {
    const [unit, kind, from, to, begin, end] = text.split(' ');
    return { unit, log: kind === 'log', from: +from, to: +to, begin: +begin, end: +end };
  };
  const value = (a, at) => {
    const part = (at - a.begin) / (a.end - a.begin);
    return a.log ? a.from * (a.to / a.from) ** part : a.from + part * (a.to - a.from);
  };
  const points = (path) => path.getAttribute('d').replace(/h0\.01/g, '').split(/[ML]/).slice(1)
    .map((p) => p.split(' ').map(Number));
  for (const svg of document.querySelectorAll('.plot svg')) {
    const x = axis(svg.dataset.x), y = axis(svg.dataset.y), box = svg.viewBox.baseVal;
    const lines = [...svg.querySelectorAll('path.line')].map((path) => ({ path, name: path.dataset.name, at: points(path) }));
    let cursor, dots, tip;
    const hide = () => { if (!tip) return; for (const e of [cursor, tip, ...dots]) e.remove(); tip = undefined; };
    const build = () => {
      cursor = svg.appendChild(document.createElementNS(SVG, 'line'));
      cursor.setAttribute('class', 'cursor');
      cursor.setAttribute('y1', y.begin); cursor.setAttribute('y2', y.end);
      dots = lines.map((line) => {
        const dot = svg.appendChild(document.createElementNS(SVG, 'circle'));
        dot.setAttribute('class', 'dot'); dot.setAttribute('r', 4);
        dot.style.fill = getComputedStyle(line.path).stroke;
        return dot;
      });
      tip = svg.parentNode.appendChild(document.createElement('div'));
      tip.className = 'tip';
    };
    const move = (event) => {
      const frame = svg.getBoundingClientRect(), scale = frame.width / box.width;
      const at = (event.clientX - frame.left) / scale;
      if (at < x.begin - 8 || at > x.end + 8) return hide();
      if (!tip) build();
      const near = lines.map((line) => line.at.reduce((best, p) => !best || Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best, undefined));
      const lead = near.reduce((best, p) => p && (!best || Math.abs(p[0] - at) < Math.abs(best[0] - at)) ? p : best, undefined);
      if (!lead) return hide();
      cursor.setAttribute('x1', lead[0]); cursor.setAttribute('x2', lead[0]);
      tip.textContent = '';
      tip.append(Object.assign(document.createElement('b'), { textContent: show[x.unit](value(x, lead[0])) }));
      near.forEach((p, i) => {
        const there = p && Math.abs(p[0] - lead[0]) < 4;
        dots[i].style.display = there ? '' : 'none';
        if (!there) return;
        dots[i].setAttribute('cx', p[0]); dots[i].setAttribute('cy', p[1]);
        const row = document.createElement('div'), mark = document.createElement('i');
        mark.style.color = getComputedStyle(lines[i].path).stroke;
        row.append(mark, lines[i].name + '  ', Object.assign(document.createElement('b'), { textContent: show[y.unit](value(y, p[1])) }));
        tip.append(row);
      });
      const holder = svg.parentNode.getBoundingClientRect();
      const left = frame.left - holder.left + lead[0] * scale;
      tip.style.left = (left + 14 + tip.offsetWidth > holder.width ? Math.max(4, left - 14 - tip.offsetWidth) : left + 14) + 'px';
      tip.style.top = (frame.top - holder.top + y.end * scale + 4) + 'px';
    };
    svg.addEventListener('pointermove', move);
    svg.addEventListener('pointerdown', move);
    svg.addEventListener('pointerleave', hide);
  }
})();
