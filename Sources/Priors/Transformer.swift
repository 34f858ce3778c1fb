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

  /// A stack.
  ///
  /// - Parameters:
  ///   - configuration: its shape.
  ///   - table: the angles of each place.
  ///   - scope: where `layers` and `norm` are declared.
  init(_ configuration: TransformerConfiguration, _ table: RotaryTable, in scope: Scope) {
    self.table = table
    heads = configuration.heads
    dropout = Float(configuration.dropout)
    blocks = (0..<configuration.layers).map {
      Block(configuration.width, configuration.hiddenWidth, in: scope["layers"][String($0)])
    }
    norm = RMSNorm(configuration.width, in: scope["norm"])
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
