'use strict';
(() => {
  const report = JSON.parse(document.getElementById('report').textContent);
  const $ = id => document.getElementById(id);

  // Points as rows, from columns.
  const { columns, values } = report.points;
  const rows = (values[0] || []).map((_, i) => Object.fromEntries(columns.map((name, c) => [name, values[c][i]])));

  const dark = matchMedia('(prefers-color-scheme: dark)');
  let printing = false;
  const config = () => {
    const ink = dark.matches && !printing ? '#e8e8e8' : '#1a1a1a';
    const line = dark.matches && !printing ? '#444a52' : '#d9dce0';
    return {
      background: 'transparent', font: 'system-ui, sans-serif',
      axis: { labelColor: ink, titleColor: ink, domainColor: ink, tickColor: ink, gridColor: line, labelFontSize: 12, titleFontSize: 13 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12 }, header: { labelColor: ink, titleColor: ink },
      title: { color: ink }, view: { stroke: line }, rule: { color: ink }, tick: { color: ink }
    };
  };

  // --- figures, drawn when they come near the window
  const specs = new Map(report.figures.map(figure => [figure.id, figure.spec]));
  const views = new Map();
  const drawing = new Map();
  let settled = Promise.resolve();  // when everything that was asked for is seen
  const settings = {};  // what sliders have set, for figures that are drawn later or again

  const draw = id => {
    const spec = structuredClone(specs.get(id));
    if ('width' in spec) {
      spec.width = 'container';
      spec.autosize = { type: 'fit-x', contains: 'padding' };
    }
    if (spec.data.name) spec.datasets = { points: rows };
    for (const param of spec.params || []) {
      if (settings[id] && param.name in settings[id]) param.value = settings[id][param.name];
    }
    const done = vegaEmbed($(id).querySelector('.drawing'), spec, { renderer: 'svg', actions: false, config: config() }).then(result => {
      if (views.has(id)) views.get(id).finalize();
      views.set(id, result.view);
      $(id).dataset.drawn = 'yes';
    });
    drawing.set(id, done);
    return done;
  };
  const near = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target.id).catch(console.error);
    }
  }, { rootMargin: '600px' });
  const redraw = () => Promise.all([...drawing.keys()].map(draw));
  const drawAll = () => Promise.all([...specs.keys()].map(id => drawing.get(id) || draw(id)));
  dark.addEventListener('change', redraw);
  addEventListener('beforeprint', () => { printing = true; drawAll().then(redraw); });
  addEventListener('afterprint', () => { printing = false; redraw(); });

  // --- the grid
  const bits = ['v_full', 'v_int', 'wb_full', 'wb_int'];
  if ($('explorer')) {
    const of = scan => rows.filter(row => row.scan === scan);
    let steps = {};  // of each slider the values it may take
    const at = name => steps[name][$(name).value];
    const set = (id, values) => {
      const again = settings[id] && settings[id].metric !== values.metric;
      settings[id] = { ...settings[id], ...values };
      const { color } = specs.get(id).layer[0].encoding;
      color.title = report.metrics[values.metric].label;
      color.scale.type = report.metrics[values.metric].scale;
      color.scale.reverse = !report.metrics[values.metric].more;
      if (color.scale.type === 'symlog') color.scale.constant = Math.max(Math.abs(values.low), Math.abs(values.high)) * report.symlog_part || 1;
      else delete color.scale.constant;
      const view = views.get(id);
      if (!view) return;
      if (again) {  // a legend's title is no signal
        settled = Promise.all([settled, draw(id)]).catch(console.error);
        return;
      }
      for (const [name, value] of Object.entries(values)) view.signal(name, value);
      settled = Promise.all([settled, view.runAsync()]);
    };
    const colours = (scan, metric) => {
      const { scale, signed: is_signed } = report.metrics[metric];
      const known = of(scan).map(row => row[metric]).filter(value => value !== null).map(value => is_signed ? Math.abs(value) : value);
      const sorted = known.filter(value => scale !== 'log' || value > 0).sort((a, b) => a - b);
      if (!sorted.length) return { is_signed, low: 1e-9, high: 1 };
      const [low, high] = [sorted[0], sorted[Math.floor($('cut').value / 100 * (sorted.length - 1))]];
      return { is_signed, low, high: Math.max(high, low + (Math.abs(low) || 1) * 1e-4) };
    };
    const quoted = text => /^[\w.@%+=:,/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
    const show = () => {
      const scan = Number($('scan').value);
      const metric = $('metric').value;
      for (const name of [...bits, 'cut']) document.querySelector(`output[for=${name}]`).textContent = name === 'cut' ? $('cut').value : at(name);
      const common = { scan, metric, best: report.best[scan], ...colours(scan, metric) };
      set('heatmap-vectors', { ...common, held_full: at('wb_full'), held_int: at('wb_int') });
      set('heatmap-weights', { ...common, held_full: at('v_full'), held_int: at('v_int') });
      const here = of(scan).find(row => bits.every(name => row[name] === at(name)));
      const { studies, bounds } = report.command;
      const model = $('scan').selectedOptions[0].textContent;
      for (const id of ['heatmap-vectors', 'heatmap-weights']) {
        $(id).querySelector('code').textContent = `${studies} ${bounds} --shown ${quoted(metric)} --model ${quoted(model)} --at ${bits.map(at).join(',')} --percentile ${$('cut').value} --only ${id}`;
      }
      const { title, unit } = report.metrics[metric];
      const types = `ap_fixed<${at('v_full')},${at('v_int')}> / ap_fixed<${at('wb_full')},${at('wb_int')}>`;
      $('here').textContent = here === undefined ? `${types} is not in the grid`
        : `${types}: ${title} ${here[metric] === null ? 'unknown' : Number(here[metric].toPrecision(4)) + (unit && ` ${unit}`)}` + (here.overflowed ? '; something overflows' : here.overflowed === null ? '; overflows are not known' : '');
    };
    const begin = start => {
      const scan = Number($('scan').value);
      bits.forEach((name, i) => {
        steps[name] = [...new Set(of(scan).map(row => row[name]))].sort((a, b) => a - b);
        $(name).max = steps[name].length - 1;
        $(name).value = steps[name].indexOf(start[i]);
        $(name).disabled = steps[name].length < 2;
      });
      show();
    };
    $('scan').addEventListener('change', () => begin(report.best[Number($('scan').value)]));
    for (const name of [...bits, 'cut', 'metric']) $(name).addEventListener('input', show);
    $('explorer').querySelector('form').addEventListener('submit', event => event.preventDefault());
    begin(report.view.at);
  }

  // --- tables
  for (const table of document.querySelectorAll('table.sortable')) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => header.querySelector('button').addEventListener('click', () => {
      const up = header.getAttribute('aria-sort') !== 'ascending';
      headers.forEach(other => other.removeAttribute('aria-sort'));
      header.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = row => row.cells[column].textContent;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === '' || y === '') return (x === '') - (y === '');  // what is unknown comes last, both ways
        const [p, q] = [x, y].map(text => Number(text.split(' +- ')[0]));
        return (up ? 1 : -1) * (!isNaN(p) && !isNaN(q) ? p - q : x.localeCompare(y, undefined, { numeric: true }));
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    }));
  }

  // --- CSV
  const cell = value => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = table => table.map(row => row.map(cell).join(',')).join('\n') + '\n';
  const save = (name, text) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
    link.download = name + '.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  document.addEventListener('click', event => {
    const { csv: id, csvTable, more } = event.target.dataset || {};
    if (more) event.target.setAttribute('aria-pressed', $(more).classList.toggle('all'));
    if (id) {
      const data = specs.get(id).data.name ? rows : specs.get(id).data.values;
      const names = Object.keys(data[0] || {}).filter(name => name !== 'shown');
      save(id, csv([names, ...data.map(row => names.map(name => row[name]))]));
    } else if (csvTable) {
      save(csvTable, csv([...$(csvTable).rows].map(row => [...row.cells].map(one => one.textContent))));
    }
  });

  for (const figure of document.querySelectorAll('figure')) near.observe(figure);
  window.narrow = { views, drawAll, settled: () => settled.then(() => true) };
  document.documentElement.dataset.ready = 'yes';
})();
