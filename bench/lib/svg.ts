// A bar chart as SVG, by hand: groups of bars on one linear axis, with the spread of the rounds as a thin line. Pure.

import type { Spread } from './statistics.js'

export interface Chart {
  readonly title: string
  readonly unit: string
  /** One for each colour. */
  readonly series: readonly string[]
  readonly groups: readonly { readonly label: string; readonly values: readonly (Spread | null)[] }[]
}

const WIDTH = 960
const HEIGHT = 400
const LEFT = 70
const RIGHT = 20
const TOP = 80
const BOTTOM = 40
const COLOURS = ['#1b6ca8', '#5fb0e5', '#d9822b', '#8a8a8a', '#c4c4c4', '#6b4f9e', '#3f8f5f']

/** Between two names of the legend, where there is room. */
const LEGEND = 160

/** Gridlines, at most. */
const STEPS = 5

export function chart({ title, unit, series, groups }: Chart): string {
  const top = ceiling(Math.max(1e-9, ...groups.flatMap(group => group.values.map(value => value?.max ?? 0))))
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length
  const barWidth = (groupWidth * 0.8) / series.length
  const parts = [
    `<text x="${LEFT}" y="24" font-size="16" font-weight="bold">${xml(title)}</text>`,
    `<text x="${LEFT}" y="42" fill="#666">${xml(unit)}</text>`,
    ...series.map((name, n) => legend(name, n * Math.min(LEGEND, (WIDTH - LEFT - RIGHT) / series.length), n)),
    ...Array.from({ length: STEPS + 1 }, (_, n) => gridline((top * n) / STEPS, y)),
    ...groups.flatMap((group, n) => bars(group, LEFT + groupWidth * n + groupWidth * 0.1, barWidth, y)),
    ...groups.map(({ label }, n) => groupLabel(label, LEFT + groupWidth * (n + 0.5))),
  ]
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`
  return `${open}\n<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`
}

function bars(group: Chart['groups'][number], left: number, width: number, y: (value: number) => number): string[] {
  return group.values.flatMap((value, n) => {
    if (value === null || Number.isNaN(value.median)) return []
    const x = left + width * n
    const middle = x + width / 2
    const colour = COLOURS[n % COLOURS.length]
    return [
      `<rect x="${r(x)}" y="${r(y(value.median))}" width="${r(width * 0.9)}" height="${r(y(0) - y(value.median))}" fill="${colour}"/>`,
      `<line x1="${r(middle)}" x2="${r(middle)}" y1="${r(y(value.min))}" y2="${r(y(value.max))}" stroke="#222"/>`,
    ]
  })
}

function legend(name: string, offset: number, n: number): string {
  const x = r(LEFT + offset)
  const colour = COLOURS[n % COLOURS.length]
  return `<rect x="${x}" y="54" width="12" height="12" fill="${colour}"/><text x="${x + 18}" y="64">${xml(name)}</text>`
}

function gridline(value: number, y: (value: number) => number): string {
  const at = r(y(value))
  const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`
  return `${line}<text x="${LEFT - 8}" y="${at + 4}" text-anchor="end" fill="#666">${Number(value.toPrecision(3))}</text>`
}

function groupLabel(label: string, x: number): string {
  return `<text x="${r(x)}" y="${HEIGHT - 14}" text-anchor="middle">${xml(label)}</text>`
}

/** The next 1, 2 or 5 times a power of ten, in steps that the gridlines can share. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 7.5, 10].find(step => step * power >= value) ?? 10) * power
}

function r(value: number): number {
  return Math.round(value * 10) / 10
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
