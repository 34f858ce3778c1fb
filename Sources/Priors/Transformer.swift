import Autodiff
import Layers

/// A stack of Llama's blocks: normalized causal attention with rotary positions, then SwiGLU, each added
/// to its input.
///
///     x = x + o_proj(attention(rotate(q_proj(h)), rotate(k_proj(h)), v_proj(h)))    h = norm(x)
///     x = x + down_proj(silu(gate_proj(h)) * up_proj(h))                            h = norm(x)
///
/// Places `[N, T, C]`, result the same, normalized. No biases; parameters are named as those of
/// `transformers`' Llama. Source: Touvron et al., "LLaMA", 2023.
struct Transformer {
  private let blocks: [Block]
  private let norm: RMSNorm
  private let table: RotaryTable
  private let heads: Int
  private let dropout: Float

  /// A stack over a class and the places of a grid.
  ///
  /// - Parameters:
  ///   - configuration: its shape.
  ///   - copies: how many places in turn each place of the grid is.
  ///   - scope: where `layers` and `norm` are declared.
  init(
    _ configuration: TransformerConfiguration, rows: Int, columns: Int, copies: Int = 1,
    in scope: Scope
  ) {
    table = Self.table(configuration, rows: rows, columns: columns, copies: copies)
    heads = configuration.heads
    dropout = Float(configuration.dropout)
    blocks = (0..<configuration.layers).map {
      Block(configuration.width, configuration.hiddenWidth, in: scope["layers"][String($0)])
    }
    norm = RMSNorm(configuration.width, in: scope["norm"])
  }

  /// The angles of each place: the class is at the origin, that of row r and column c at (r + 1, c + 1), or
  /// one further than the one before it.
  private static func table(
    _ shape: TransformerConfiguration, rows: Int, columns: Int, copies: Int
  ) -> RotaryTable {
    let head = shape.width / shape.heads
    switch shape.positions {
    case .rope: return RotaryTable(line: rows * columns * copies, head: head)
    case .rope2d:
      let order = shape.order.places(rows: rows, columns: columns)
      let positions = order.flatMap { place in
        Array(
          repeating: (row: place / columns + 1, column: place % columns + 1), count: copies)
      }
      return RotaryTable(plane: [(0, 0)] + positions.dropLast(), head: head)
    }
  }

  /// What each place knows of itself and those before it.
  ///
  /// - Parameter keys: a dropout key a sequence, `[N]`; nil drops nothing.
  func callAsFunction(_ x: Tensor, dropout keys: Tensor?) -> Tensor {
    var x = dropped(x, keys, site: 0)
    for (index, block) in blocks.enumerated() {
      let site = UInt32(2 * index + 1)
      let q = block.query, k = block.key
      let h = block.inputNorm(x)
      let attended = q(h).rotated(by: table).attending(
        key: k(h).rotated(by: table), value: block.value(h), heads: heads, isCausal: true)
      x = x + dropped(block.output(attended), keys, site: site)
      x = x + dropped(block.feedForward(x), keys, site: site + 1)
    }
    return norm(x)
  }

  /// What one place `[N, C]` knows, where those before it were computed by earlier replays.
  ///
  /// - Parameter position: the place, one index.
  func next(_ x: Tensor, position: Tensor) -> Tensor {
    let (rows, channels) = (x.shape[0], x.shape[1])
    func rotated(_ x: Tensor) -> Tensor {
      x.reshaped([rows, 1, channels]).rotated(by: table, at: position).reshaped([rows, channels])
    }
    var x = x
    for (index, block) in blocks.enumerated() {
      let h = block.inputNorm(x)
      let attended = rotated(block.query.applied(toFewRows: h)).attendingNext(
        key: rotated(block.key.applied(toFewRows: h)), value: block.value.applied(toFewRows: h),
        position: position, places: table.places, heads: heads, cache: String(index))
      x = x + block.output.applied(toFewRows: attended)
      let g = block.outputNorm(x)
      let gated = swiGLU(block.gate.applied(toFewRows: g), block.up.applied(toFewRows: g))
      x = x + block.down.applied(toFewRows: gated)
    }
    return norm(x)
  }

  private func dropped(_ x: Tensor, _ keys: Tensor?, site: UInt32) -> Tensor {
    guard let keys, dropout > 0 else { return x }
    return x.droppedOut(rate: dropout, site: site, keys: keys)
  }

  private struct Block {
    let inputNorm, outputNorm: RMSNorm
    let query, key, value, output: Linear
    let gate, up, down: Linear

    init(_ width: Int, _ hidden: Int, in scope: Scope) {
      func linear(_ inputs: Int, _ outputs: Int, _ scope: Scope) -> Linear {
        Linear(inputs, outputs, hasBias: false, start: .normal(deviation: 0.02), in: scope)
      }
      inputNorm = RMSNorm(width, in: scope["input_layernorm"])
      let attention = scope["self_attn"]
      query = linear(width, width, attention["q_proj"])
      key = linear(width, width, attention["k_proj"])
      value = linear(width, width, attention["v_proj"])
      output = linear(width, width, attention["o_proj"])
      outputNorm = RMSNorm(width, in: scope["post_attention_layernorm"])
      gate = linear(width, hidden, scope["mlp"]["gate_proj"])
      up = linear(width, hidden, scope["mlp"]["up_proj"])
      down = linear(hidden, width, scope["mlp"]["down_proj"])
    }

    func feedForward(_ x: Tensor) -> Tensor {
      let h = outputNorm(x)
      return down(swiGLU(gate(h), up(h)))
    }
  }
}
