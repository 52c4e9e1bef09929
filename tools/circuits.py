#!/usr/bin/env python3
"""Dense layers of known weights and types as circuits, and what yosys makes of them (docs/cost.md).

    tools/circuits.py count src/cost/testdata/yosys.csv     # draws the layers again, synthesizes all of them: ten minutes on one core
    tools/circuits.py check src/cost/testdata/yosys.csv     # synthesizes three of the file's layers again, and runs one: the same counts
    NARROW_PREDICTED=predicted.csv build/fpga_test; tools/circuits.py figure src/cost/testdata/yosys.csv predicted.csv docs/cost.svg

The circuits are those that src/cost/fpga.h speaks of: all products at once, constants as signed digits, and trees of sums with registers
behind the products, behind each two levels and at the end; or multipliers that take weights from a ROM, one after the other. yosys 0.23,
`synth_xilinx -family xcup -nowidelut`, counts LUTs, flip-flops, DSP48E2 and block RAMs."""
import argparse
import csv
import json
import math
import random
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ADDERS_PER_CYCLE = 2  # kAddersPerCycle of src/cost/fpga.h
LUT_BITS = 9  # fits_luts
TABLE_BITS = 6  # inputs of a LUT
FIELDS = ["name", "inputs", "outputs", "x", "weight", "bias", "accum", "reuse", "strategy", "weights", "biases"]
COUNTS = ["lut", "ff", "dsp", "bram"]


@dataclass(frozen=True)
class Format:
    width: int
    integer: int
    signed: bool = True

    @property
    def fraction(self):
        return self.width - self.integer

    @property
    def low(self):
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self):
        return (1 << (self.width - (1 if self.signed else 0))) - 1

    def wrap(self, raw):
        raw &= (1 << self.width) - 1
        return raw - (1 << self.width) if self.signed and raw >> (self.width - 1) else raw

    def __str__(self):
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"

    @staticmethod
    def parse(text):
        unsigned, width, integer = re.fullmatch(r"ap_(u?)fixed<(\d+),(-?\d+)>", text).groups()
        return Format(int(width), int(integer), not unsigned)


@dataclass
class Layer:
    name: str
    inputs: int
    outputs: int
    x: Format
    weight: Format
    bias: Format
    accum: Format
    reuse: int
    strategy: str
    weights: list = field(default_factory=list)
    biases: list = field(default_factory=list)

    def row(self):
        values = {name: getattr(self, name) for name in FIELDS}
        return {**values, "weights": " ".join(map(str, self.weights)), "biases": " ".join(map(str, self.biases))}

    @staticmethod
    def read(row):
        def numbers(text):
            return [int(word) for word in text.split()]

        return Layer(row["name"], int(row["inputs"]), int(row["outputs"]), *(Format.parse(row[name]) for name in ("x", "weight", "bias", "accum")),
                     int(row["reuse"]), row["strategy"], numbers(row["weights"]), numbers(row["biases"]))

    def result(self, x):
        """What hls4ml computes: products and biases brought to accum, which wraps."""
        fraction = self.x.fraction + self.weight.fraction

        def to_accum(raw, of):
            up = self.accum.fraction - of
            return raw << up if up >= 0 else raw >> -up

        return [self.accum.wrap(to_accum(self.biases[j], self.bias.fraction) +
                                sum(to_accum(x[i] * self.weights[i * self.outputs + j], fraction) for i in range(self.inputs)))
                for j in range(self.outputs)]


def signed_digits(value):
    """The non-adjacent form: pairs (sign, shift)."""
    digits, shift = [], 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            digits.append((sign, shift))
            value -= sign
        value >>= 1
        shift += 1
    return digits


def bits_of(low, high):
    """Of a signed number in [low, high]."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


class Node:
    """A number of a circuit: `name` holds value / 2^low in `bits` bits with a sign; its value is the negative one where `negative`."""

    def __init__(self, name, low, bits, largest, level=0, stage=0, negative=False, constant=False):
        self.name, self.low, self.bits, self.largest = name, low, bits, largest
        self.level, self.stage, self.negative, self.constant = level, stage, negative, constant


class Writer:
    def __init__(self):
        self.wires, self.clocked, self.names = [], [], 0

    def name(self):
        self.names += 1
        return f"n{self.names}"

    def wire(self, bits, expression):
        name = self.name()
        self.wires.append(f"  wire signed [{bits - 1}:0] {name} = {expression};")
        return name

    def register(self, bits, expression):
        name = self.name()
        self.wires.append(f"  reg signed [{bits - 1}:0] {name};")
        self.clocked.append(f"    {name} <= {expression};")
        return name


class Tree:
    """Adds terms as src/cost/fpga.cc does: two of the same number of terms at once."""

    def __init__(self, writer, accum):
        self.writer, self.accum, self.stack = writer, accum, []

    def cut(self, node):
        """Without what accum's steps drop."""
        low = -self.accum.fraction
        if node.low >= low:
            return node
        drop = low - node.low
        if drop >= node.bits:
            raise ValueError("a term is below accum's steps")
        if node.negative:  # what is dropped is dropped behind the sign
            name = self.writer.wire(node.bits + 1, f"-{node.name}")
            node = Node(name, node.low, node.bits + 1, node.largest, node.level, node.stage)
        name = self.writer.wire(node.bits - drop, f"{node.name} >>> {drop}")
        return Node(name, low, node.bits - drop, node.largest, node.level, node.stage, False, node.constant)

    def delayed(self, node, stage):
        while node.stage < stage and not node.constant:
            node = Node(self.writer.register(node.bits, node.name), node.low, node.bits, node.largest, node.level, node.stage + 1, node.negative)
        node.stage = stage
        return node

    def sum(self, a, b):
        stage = max(a.stage, b.stage)
        a, b = self.delayed(a, stage), self.delayed(b, stage)
        low = min(a.low, b.low)
        largest = a.largest + b.largest
        level = max(a.level, b.level) + 1
        bits = min(magnitude_bits(largest, low), self.accum.integer - low)
        if a.negative and not b.negative:
            a, b = b, a
        sign = "-" if b.negative and not a.negative else "+"
        up = [f"({node.name} <<< {node.low - low})" if node.low > low else node.name for node in (a, b)]
        # As wide as both need before they are added, or Verilog would cut what is shifted.
        wide = self.writer.wire(max(a.bits + a.low, b.bits + b.low) - low + 1, f"{up[0]} {sign} {up[1]}")
        expression = f"{wide}[{bits - 1}:0]" if bits < max(a.bits + a.low, b.bits + b.low) - low + 1 else wide
        negative = a.negative and b.negative
        if level % ADDERS_PER_CYCLE == 0:
            return Node(self.writer.register(bits, expression), low, bits, largest, level, stage + 1, negative)
        return Node(self.writer.wire(bits, expression), low, bits, largest, level, stage, negative, a.constant and b.constant)

    def add(self, node):
        node, terms = self.cut(node), 1
        while self.stack and self.stack[-1][1] == terms:
            node = self.sum(self.stack.pop()[0], node)
            terms *= 2
        self.stack.append((node, terms))

    def finish(self):
        node = self.stack.pop()[0]
        while self.stack:
            node = self.sum(self.stack.pop()[0], node)
        return node


def magnitude_bits(largest, low):
    """Bits above `low` of a signed number whose magnitude is at most `largest` (exact, a pair: mantissa and exponent)."""
    mantissa, exponent = largest if isinstance(largest, tuple) else (largest, 0)
    return max(0, (mantissa.bit_length() + exponent) + 1 - low)


class Largest(tuple):
    """mantissa * 2^exponent, exact."""

    def __new__(cls, mantissa, exponent):
        return super().__new__(cls, (mantissa, exponent))

    def __add__(self, other):
        exponent = min(self[1], other[1])
        return Largest((self[0] << (self[1] - exponent)) + (other[0] << (other[1] - exponent)), exponent)


def verilog_unrolled(layer):
    writer = Writer()
    bits_x = layer.x.width + (0 if layer.x.signed else 1)
    largest_x = 1 << (layer.x.width - (1 if layer.x.signed else 0))
    fraction = layer.x.fraction + layer.weight.fraction
    terms = {}  # (input, magnitude): name and bits of what is left of the weight without its low zeros
    trees = [Tree(writer, layer.accum) for _ in range(layer.outputs)]
    for i in range(layer.inputs):
        x = writer.wire(bits_x, f"$signed({{{'' if layer.x.signed else chr(49) + chr(39) + 'b0, '}x[{(i + 1) * layer.x.width - 1}:{i * layer.x.width}]}})")
        row = layer.weights[i * layer.outputs:(i + 1) * layer.outputs]
        for magnitude in sorted({abs(w) for w in row if w}):
            zeros = (magnitude & -magnitude).bit_length() - 1
            odd = magnitude >> zeros
            digits = signed_digits(odd)
            bits_w = odd.bit_length() + 1
            bits = bits_x + bits_w - 1
            if len(digits) == 1:
                key = (i, "wire")
                if key not in terms:
                    terms[key] = writer.register(bits_x, x)
                terms[i, magnitude] = (terms[key], bits_x, zeros)
                continue
            if len(digits) > 2 and min(bits_x, bits_w) >= LUT_BITS:
                product = writer.wire(bits, f"{x} * $signed({bits_w}'d{odd})")
            elif layer.x.width <= TABLE_BITS and bits - 1 < (len(digits) - 1) * (bits_x + 1):
                product = writer.name()
                lines = [f"{layer.x.width}'d{raw & ((1 << layer.x.width) - 1)}: {product} = {bits}'d{raw * odd & ((1 << bits) - 1)};"
                         for raw in range(layer.x.low, layer.x.high + 1)]
                writer.wires.append(f"  reg signed [{bits - 1}:0] {product}; always @* case (x[{(i + 1) * layer.x.width - 1}:{i * layer.x.width}]) {' '.join(lines)} endcase")
            else:
                product = None
                for sign, shift in reversed(digits):
                    term = f"({x} <<< {shift})" if shift else x
                    product = term if product is None else writer.wire(bits, f"{product} {'+' if sign > 0 else '-'} {term}")
            terms[i, magnitude] = (writer.register(bits, product), bits, zeros)
        for j, weight in enumerate(row):
            if weight:
                name, bits, zeros = terms[i, abs(weight)]
                trees[j].add(Node(name, zeros - fraction, bits, Largest(largest_x * abs(weight), -fraction), negative=weight < 0))
    outputs, latency = [], 0
    for j, tree in enumerate(trees):
        bias = layer.biases[j]
        if bias:
            zeros = (bias & -bias).bit_length() - 1
            bits = (abs(bias) >> zeros).bit_length() + 1
            name = writer.wire(bits, f"{bits}'sd{abs(bias) >> zeros}")
            tree.add(Node(name, zeros - layer.bias.fraction, bits, Largest(abs(bias), -layer.bias.fraction), negative=bias < 0, constant=True))
        if not tree.stack:
            outputs.append("0")
            continue
        node = tree.finish()
        if node.negative:
            bits = min(node.bits + 1, layer.accum.integer - node.low)
            node = Node(writer.wire(bits, f"-{node.name}"), node.low, bits, node.largest, node.level, node.stage, constant=node.constant)
            node.level += 1 if node.level % ADDERS_PER_CYCLE == 0 else 0
        if (node.level % ADDERS_PER_CYCLE or node.level == 0) and not node.constant:
            node = Node(writer.register(node.bits, node.name), node.low, node.bits, node.largest, node.level, node.stage + 1)
        latency = max(latency, node.stage + 1)
        shift = node.low + layer.accum.fraction
        outputs.append(writer.wire(layer.accum.width, f"{node.name} <<< {shift}" if shift else node.name))
    ports = f"module top(input clk, input [{layer.inputs * layer.x.width - 1}:0] x, output [{layer.outputs * layer.accum.width - 1}:0] y);"
    joined = ", ".join(name if name != "0" else f"{layer.accum.width}'d0" for name in reversed(outputs))
    body = "\n".join([ports, *writer.wires, "  always @(posedge clk) begin", *writer.clocked, "  end", f"  assign y = {{{joined}}};", "endmodule", ""])
    return body, latency


def choice(values, index):
    """The value at `index`, by its bits."""
    if len(values) == 1:
        return values[0]
    bit = (len(values) - 1).bit_length() - 1
    return f"({index}[{bit}] ? {choice(values[1 << bit:], index)} : {choice(values[:1 << bit], index)})"


def product_of_adders(name, a, bits_a, b, bits_b):
    """A row of adders for each bit of the narrower operand, the last of which is subtracted."""
    if bits_a < bits_b:
        a, bits_a, b, bits_b = b, bits_b, a, bits_a
    lines = [f"  wire signed [{bits_a - 1}:0] {name}_a = {a}; wire signed [{bits_b - 1}:0] {name}_b = {b};"]
    before = f"({name}_b[0] ? {name}_a : {bits_a}'sd0)"
    for k in range(1, bits_b):
        sign = "-" if k == bits_b - 1 else "+"
        # What is below bit k stays as it is.
        lines.append(f"  wire signed [{bits_a}:0] {name}_{k} = ($signed({before}{'' if k == 1 else f'[{bits_a}:1]'}){' >>> 1' if k == 1 else ''}) "
                     f"{sign} ({name}_b[{k}] ? {name}_a : {bits_a}'sd0);")
        before = f"{name}_{k}"
    low = ", ".join([*(f"{name}_{k}[0]" for k in reversed(range(1, bits_b - 1))), f"{name}_a[0] & {name}_b[0]"])
    lines.append(f"  wire signed [{bits_a + bits_b - 1}:0] {name} = $signed({{{name}_{bits_b - 1}, {low}}});")
    return lines


def verilog_multiplexed(layer):
    """hls4ml's dense_resource (nnet_dense_resource.h): which input, weight and output each multiplier has in each of `reuse` turns. Inputs
    stand still while a sample is computed; `turn` counts all the time."""
    n_in, n_out, reuse = layer.inputs, layer.outputs, layer.reuse
    multipliers = -(-n_in * n_out // reuse)
    fraction = layer.x.fraction + layer.weight.fraction
    up = layer.accum.fraction - fraction
    if reuse <= n_in:
        each = n_in // reuse  # products for one sum in a turn
        chosen = [[turn + k * reuse for turn in range(reuse)] for k in range(each)]
        taken = [(m % each, [m // each] * reuse) for m in range(multipliers)]
    else:
        sums = reuse // n_in
        chosen = [[turn % n_in for turn in range(reuse)]]
        taken = [(0, [turn // n_in + m * sums for turn in range(reuse)]) for m in range(multipliers)]
    width_x, width_w, width = layer.x.width, layer.weight.width, layer.accum.width
    bits_x = width_x + (0 if layer.x.signed else 1)
    count_bits, in_bits = max(1, (reuse - 1).bit_length()), max(1, (min(reuse, n_in) - 1).bit_length())
    out_bits = max(1, (reuse // n_in - 1).bit_length())
    lines = [f"module top(input clk, input [{n_in * width_x - 1}:0] x, output [{n_out * width - 1}:0] y);",
             f"  reg [{count_bits - 1}:0] turn = 0; reg [{in_bits - 1}:0] in = 0, then = 0; reg [{out_bits - 1}:0] sum = 0, to = 0;"]
    style = '(* ram_style = "block" *) ' if layer.strategy == "Resource" else '(* ram_style = "logic" *) '
    lines += [f"  {style}reg [{multipliers * width_w - 1}:0] rom [0:{(1 << count_bits) - 1}];", f"  reg [{multipliers * width_w - 1}:0] word;"]
    words = []
    for turn in range(reuse):
        word = 0
        for m, (k, out) in enumerate(taken):
            word |= (layer.weights[chosen[k][turn] * n_out + out[turn]] & ((1 << width_w) - 1)) << (m * width_w)
        words.append(f"    rom[{turn}] = {multipliers * width_w}'h{word:x};")
    lines += ["  initial begin", *words, *(f"    rom[{t}] = 0;" for t in range(reuse, 1 << count_bits)), "  end"]
    last_in = f"in == {min(reuse, n_in) - 1}"
    clocked = ["    word <= rom[turn];", "    then <= in; to <= sum;", f"    turn <= turn == {reuse - 1} ? 0 : turn + 1;", f"    in <= {last_in} ? 0 : in + 1;"]
    if reuse > n_in:
        clocked.append(f"    if ({last_in}) sum <= sum == {reuse // n_in - 1} ? 0 : sum + 1;")
    for k, inputs in enumerate(chosen):
        lines.append(f"  reg signed [{bits_x - 1}:0] x{k}; wire [{width_x - 1}:0] c{k} = {choice([f'x[{(i + 1) * width_x - 1}:{i * width_x}]' for i in inputs[:n_in]], 'in')};")
        clocked.append(f"    x{k} <= $signed({{{'' if layer.x.signed else chr(49) + chr(39) + 'b0, '}c{k}}});")
    shift = layer.accum.fraction - layer.bias.fraction
    biases = [layer.accum.wrap(b << shift if shift >= 0 else b >> -shift) & ((1 << width) - 1) for b in layer.biases]
    lines += [f"  reg signed [{width - 1}:0] a{j} = {width}'d{biases[j]}; reg signed [{width - 1}:0] y{j};" for j in range(n_out)]
    bits_w = width_w + (0 if layer.weight.signed else 1)
    product_bits = bits_x + bits_w
    for m in range(multipliers):
        weight = f"word[{(m + 1) * width_w - 1}:{m * width_w}]"
        weight = f"$signed({weight})" if layer.weight.signed else f"$signed({{1'b0, {weight}}})"
        if min(bits_x, bits_w) < LUT_BITS:
            lines += product_of_adders(f"p{m}", f"x{taken[m][0]}", bits_x, weight, bits_w)
        else:
            lines.append(f"  wire signed [{product_bits - 1}:0] p{m} = x{taken[m][0]} * {weight};")
        moved = f"p{m} <<< {up}" if up > 0 else f"p{m} >>> {-up}" if up < 0 else f"p{m}"
        lines.append(f"  wire signed [{min(product_bits + max(up, 0), width) - 1}:0] q{m} = {moved};")
    last, delay = "then", 0
    if reuse <= n_in:
        # The products of one sum are added in a tree with registers behind each level.
        for j in range(n_out):
            terms, bits = [f"q{j * each + k}" for k in range(each)], min(product_bits + max(up, 0), width)
            delay = 0
            while len(terms) > 1:
                bits, delay = min(bits + 1, width), delay + 1
                level = []
                for i in range(0, len(terms), 2):
                    name = f"l{j}_{delay}_{i}"
                    lines.append(f"  reg signed [{bits - 1}:0] {name};")
                    clocked.append(f"    {name} <= {' + '.join(terms[i:i + 2])};")
                    level.append(name)
                terms = level
            lines.append(f"  wire signed [{width - 1}:0] t{j} = a{j} + {terms[0]};")
            clocked.append(f"    a{j} <= LAST ? {width}'d{biases[j]} : t{j};")
            clocked.append(f"    if (LAST) y{j} <= t{j};")
        for d in range(delay):
            lines.append(f"  reg [{in_bits - 1}:0] then{d} = 0;")
            clocked.append(f"    then{d} <= {last};")
            last = f"then{d}"
        clocked = [line.replace("LAST", f"{last} == {reuse - 1}") for line in clocked]
    else:
        for m, (_, outs) in enumerate(taken):
            lines.append(f"  wire signed [{width - 1}:0] s{m} = {choice([f'a{j}' for j in outs[::n_in]], 'to')};")
            lines.append(f"  wire signed [{width - 1}:0] t{m} = s{m} + q{m};")
            for k, j in enumerate(outs[::n_in]):
                clocked.append(f"    if (to == {k}) begin if (then == {n_in - 1}) begin a{j} <= {width}'d{biases[j]}; y{j} <= t{m}; end else a{j} <= t{m}; end")
    lines.append(f"  assign y = {{{', '.join(f'y{j}' for j in reversed(range(n_out)))}}};")
    return "\n".join([*lines, "  always @(posedge clk) begin", *clocked, "  end", "endmodule", ""]), 2 * reuse + 3 + delay


def verilog(layer):
    return verilog_unrolled(layer) if layer.reuse == 1 else verilog_multiplexed(layer)


# yosys joins additions that follow one another into compressors, which take two to three times the LUTs of carry chains. Mapped before it
# does so, each addition stays one of two numbers.
ADDITIONS = "".join(f"""
module \\${kind} (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y; wire [Y_WIDTH-1:0] X, CO;
  \\$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
    _TECHMAP_REPLACE_ (.A(A), .B(B), .BI({bit}), .CI({bit}), .Y(Y), .X(X), .CO(CO));
endmodule
""" for kind, bit in (("add", "1'b0"), ("sub", "1'b1")))


def passed_through(design):
    """Bits of carry chains that no LUT makes. The chain's inputs are LUTs' outputs (UG574), so each takes one."""
    cells = design["modules"]["top"]["cells"].values()
    made = {bit for cell in cells if re.fullmatch(r"LUT\d|INV", cell["type"]) for bit in cell["connections"]["O"]}
    return sum(isinstance(bit, int) and bit not in made for cell in cells if cell["type"].startswith("CARRY") for bit in cell["connections"]["S"])


def synthesized(layer):
    """LUTs (inverters among them, and those that do no more than lead a bit to a carry chain), flip-flops, DSP48E2 and blocks of 36 Kb."""
    text, _ = verilog(layer)
    fits = layer.reuse > 1 and min(layer.x.width + (not layer.x.signed), layer.weight.width + (not layer.weight.signed)) < LUT_BITS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "top.v")
        path.write_text(text)
        Path(folder, "additions.v").write_text(ADDITIONS)
        # yosys leaves a LUT for each bit of a register whose enable or reset is a condition; opt_merge makes one of them.
        script = f"read_verilog {path}; hierarchy -top top; proc; opt -full; wreduce; opt -full; techmap -map {folder}/additions.v; opt -full; synth_xilinx -family xcup -top top -noiopad -nowidelut {'-nodsp' if fits else ''}; opt_merge -share_all; clean; stat; write_json {folder}/top.json"
        run = subprocess.run(["yosys", "-p", script], capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{layer.name}: {run.stdout[-500:]}{run.stderr}")
        through = passed_through(json.loads(Path(folder, "top.json").read_text()))
    cells = {name: int(count) for name, count in re.findall(r"^\s+(\w+)\s+(\d+)$", run.stdout[run.stdout.rindex("Number of cells"):], re.M)}

    def count(pattern):
        return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))

    return {"lut": count(r"LUT\d|INV|SRL\w+|RAM\d+\w+") + through, "ff": count(r"FD\w+"), "dsp": count("DSP48E2"), "bram": count("RAMB36E2") + count("RAMB18E2") / 2}


def simulated(layer, samples):
    """What the circuit makes of each sample, as yosys simulates it: each stands still until the outputs must be right."""
    text, latency = verilog(layer)
    period = latency + 2
    width, bits_in, bits_out = layer.accum.width, layer.inputs * layer.x.width, layer.outputs * layer.accum.width
    words = [sum((x & ((1 << layer.x.width) - 1)) << (i * layer.x.width) for i, x in enumerate(sample)) for sample in samples]
    cases = "".join(f"    {k}: x = {bits_in}'h{word:x};\n" for k, word in enumerate(words))
    bench = f"""
module bench(input clk, output [{bits_out - 1}:0] y, output reg [15:0] at);
  reg [15:0] cycle = 0; reg [{bits_in - 1}:0] x;
  initial at = 0;
  always @(posedge clk) begin
    cycle <= cycle == {period - 1} ? 0 : cycle + 1;
    if (cycle == {period - 1}) at <= at + 1;
  end
  always @* case (at)
{cases}    default: x = 0;
  endcase
  top circuit(.clk(clk), .x(x), .y(y));
endmodule
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.v")
        path.write_text(text + bench)
        script = f"read_verilog {path}; hierarchy -top bench; proc; flatten; opt_clean; sim -clock clk -n {period * len(samples) + 1} -vcd {folder}/out.vcd"
        subprocess.run(["yosys", "-q", "-p", script], check=True, capture_output=True, text=True)
        dump = Path(folder, "out.vcd").read_text()
    # The last value of y while `at` is each sample's number.
    names = {name: code for code, name in re.findall(r"\$var (?:wire|reg) \d+ (\S+) (\S+)", dump[:dump.index("$upscope")])}
    at, y, made = 0, 0, {}
    for line in dump[dump.index("$enddefinitions"):].splitlines():
        value, _, code = line.partition(" ")
        if value.startswith("#"):
            made[at] = y
        elif code == names["at"]:
            at = int(value[1:], 2)
        elif code == names["y"]:
            y = value[1:]
    return [[layer.accum.wrap(int(made[k], 2) >> (j * width)) if set(made[k]) <= {"0", "1"} else None for j in range(layer.outputs)] for k in range(len(samples))]


def drawn(seed):
    """Layer number `seed`: two of three with all products at once."""
    chance = random.Random(seed)
    while True:
        inputs, outputs = chance.choice([4, 6, 8, 10, 12, 16]), chance.choice([1, 2, 4, 5, 8, 16])
        if inputs * outputs <= 144:
            break
    x = Format(chance.randint(4, 18), chance.randint(1, 8), chance.random() < 0.7)
    weight = Format(chance.randint(2, 16), chance.randint(1, 3))
    if seed % 12 == 1:  # wider than a DSP slice
        x, weight = Format(chance.randint(19, 30), 8), Format(chance.randint(14, 22), 3)
    bias = Format(chance.randint(4, 16), chance.randint(1, 6))
    grow = inputs.bit_length() + 1
    integer = max(x.integer + weight.integer + grow + (not x.signed), bias.integer + 1)
    fraction = max(x.fraction + weight.fraction, bias.fraction)
    kind = chance.choice(["exact", "exact", "cut", "narrow"])
    if kind == "cut":
        fraction = max(bias.fraction, fraction - chance.randint(1, 4))
    elif kind == "narrow":
        integer -= chance.randint(1, 3)
    accum = Format(integer + fraction, integer)
    reuse, strategy, zeros = 1, "Latency", chance.choice([0, 0, 0.5, 0.8])
    if seed % 3 == 2:
        valid = [r for r in range(4, inputs * outputs + 1) if (inputs * outputs) % r == 0 and (inputs % r == 0 if r <= inputs else r % inputs == 0)]
        reuse, strategy, zeros = chance.choice(valid[:-1] or valid), chance.choice(["Resource", "Latency"]), 0

    def normal():
        raw = round(chance.gauss(0, (weight.high + 1) / 3))
        if chance.random() < zeros:
            return 0
        # hls4ml multiplies by zeros too where weights come one after the other, and yosys would not.
        return max(weight.low, min(weight.high, raw or (1 if reuse > 1 else 0)))

    layer = Layer(f"layer{seed}", inputs, outputs, x, weight, bias, accum, reuse, strategy, [normal() for _ in range(inputs * outputs)],
                  [chance.randint(bias.low, bias.high) // 4 for _ in range(outputs)])
    try:
        verilog(layer)
    except ValueError:  # accum drops some product altogether
        return drawn(seed + 1000)
    return layer


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, [*FIELDS, *COUNTS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def samples_for(layer, chance, count):
    ends = [[layer.x.low] * layer.inputs, [layer.x.high] * layer.inputs]
    return ends + [[chance.randint(layer.x.low, layer.x.high) for _ in range(layer.inputs)] for _ in range(count)]


def count(path, layers):
    rows = []
    for seed in range(layers):
        layer = drawn(seed)
        rows.append({**layer.row(), **synthesized(layer)})
        print(*(f"{name} {rows[-1][name]}" for name in ("name", "inputs", "outputs", "reuse", *COUNTS)), flush=True)
    write(path, rows)


# All products at once, from tables and with DSP slices, and weights one after the other from a block RAM.
CHECKED = ["layer0", "layer1", "layer5"]


def check(path, names):
    rows = {row["name"]: row for row in read(path)}
    for name in names:
        layer = Layer.read(rows[name])
        counted = synthesized(layer)
        wrong = {key: (rows[name][key], counted[key]) for key in COUNTS if float(rows[name][key]) != counted[key]}
        if wrong:
            raise SystemExit(f"{name}: the file says otherwise than yosys counts (file, counted): {wrong}")
        samples = samples_for(layer, random.Random(1), 20)
        made, right = simulated(layer, samples), [layer.result(sample) for sample in samples]
        if made != right:
            raise SystemExit(f"{name}: the circuit computes {made[0]}, ..., and not {right[0]}, ...")
        print(f"{name}: the same counts, and {len(samples)} right results")


def figure(counted, predicted, out):
    """Predicted against counted, LUTs and registers, both axes logarithmic."""
    guesses = {row["name"]: row for row in read(predicted)}
    size, gap, low, high = 300, 64, 1, 4  # of a panel; powers of ten

    def at(value):
        return (math.log10(max(float(value), 10**low)) - low) / (high - low) * size

    parts = []
    for panel, (key, title) in enumerate((("lut", "LUTs"), ("ff", "registers"))):
        left, top = gap + panel * (size + gap), 24
        parts.append(f'<g transform="translate({left},{top})"><rect width="{size}" height="{size}" class="frame"/>')
        for power in range(low, high + 1):
            k = at(10**power)
            parts.append(f'<path d="M{k:.1f} 0V{size}M0 {size - k:.1f}H{size}" class="grid"/><text x="{k:.1f}" y="{size + 16}" text-anchor="middle">{10**power:,}</text>'
                         f'<text x="-6" y="{size - k + 4:.1f}" text-anchor="end">{10**power:,}</text>')
        parts.append(f'<path d="M0 {size}L{size} 0" class="equal"/>')
        for row in read(counted):
            turns = row["reuse"] != "1"
            x, y = at(row[key]), size - at(guesses[row["name"]][key])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="{"turns" if turns else "once"}"/>')
        parts.append(f'<text x="{size / 2}" y="-8" text-anchor="middle">{title}: predicted (up) against counted by yosys</text></g>')
    width, height = 2 * (size + gap) + 32, size + 88
    legend = (f'<circle cx="{gap + 6}" cy="{height - 22}" r="3.5" class="once"/><text x="{gap + 16}" y="{height - 18}">all products at once</text>'
              f'<circle cx="{gap + 166}" cy="{height - 22}" r="3.5" class="turns"/><text x="{gap + 176}" y="{height - 18}">weights one after the other</text>')
    style = ("text{font:12px sans-serif;fill:#444}.frame{fill:#fff;stroke:#888}.grid{stroke:#ddd}.equal{stroke:#888;stroke-dasharray:4 3}"
             ".once{fill:#1f77b4;fill-opacity:.7}.turns{fill:#d95f02;fill-opacity:.7}")
    Path(out).write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><style>{style}</style>'
                         f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}{legend}</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    counts = commands.add_parser("count")
    counts.add_argument("path")
    counts.add_argument("--layers", type=int, default=72)
    checks = commands.add_parser("check")
    checks.add_argument("path")
    checks.add_argument("names", nargs="*", default=CHECKED)
    figures = commands.add_parser("figure")
    for name in ("path", "predicted", "out"):
        figures.add_argument(name)
    args = parser.parse_args()
    if args.command == "count":
        count(args.path, args.layers)
    elif args.command == "figure":
        figure(args.path, args.predicted, args.out)
    else:
        check(args.path, args.names)


if __name__ == "__main__":
    sys.exit(main())
