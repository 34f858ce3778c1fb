"""Golden ids and pixels of other people's tokenizers, by their own code with small networks.

    PEERS=FOLDER python golden_families.py

PEERS holds checkouts of the repositories by their names: LlamaGen, taming-transformers, latent-diffusion, SEED-Voken,
Cosmos-Tokenizer, open-muse, Show-o, rq-vae-transformer, chameleon. None of their code or weights is kept: weights and
images are those that the rule of hashed_values.py gives to the peers' own names. Of each family the file holds

    FAMILY.ids        [N, h, w] or [N, h, w, depth]  int32; of families that quantize nothing, no tensor
    FAMILY.latents    [N, h, w, d]    means in front of the decoder, of families that quantize nothing
    FAMILY.decoded    [N, H, W, 3]    float32 in [-1, 1], what the decoder makes of the ids, where there is one

and in its metadata under FAMILY.tensors the names and shapes of the peer's tensors, as JSON; under FAMILY.margin how far
the second-best code is behind the best at least, relative to the spread of scores.
"""

import importlib
import importlib.util
import json
import os
import pathlib
import re
import sys
import types

import numpy
import torch
from hashed_values import parameter, values
from make_goldens import write

PEERS = pathlib.Path(os.environ.get("PEERS", "."))
SIZE = 32


# Peers' code


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def fetched(repository, module):
    """A module of a checkout, whatever other checkouts call theirs."""
    root = module.split(".")[0]
    for name in [n for n in sys.modules if n == root or n.startswith(root + ".")]:
        del sys.modules[name]
    sys.path.insert(0, str(PEERS / repository))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.pop(0)


def from_file(*path):
    """One file of a checkout, whose package imports more than is needed."""
    spec = importlib.util.spec_from_file_location("peer_" + path[-1].removesuffix(".py"), PEERS.joinpath(*path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def stub_frameworks():
    """What peers import and none of these models use."""
    stub("pytorch_lightning", LightningModule=torch.nn.Module)
    stub("lightning", LightningModule=torch.nn.Module)
    stub("main", instantiate_from_config=lambda _: torch.nn.Identity())
    stub("dist", initialized=lambda: False)


# Families: model, ids of images in [-1, 1], decoded images in [-1, 1]


class Family:
    """What a peer makes of images; `unit` says that its images are in [0, 1]."""

    unit = False
    amplitude = 1.0

    def input(self, x):
        return (x + 1) / 2 if self.unit else x

    def output(self, y):
        return 2 * y - 1 if self.unit else y

    def latents(self, x):
        return self.model.quant_conv(self.model.encoder(x))

    def rows(self, x):
        z = self.latents(x)
        return z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])

    def scores(self, x):
        """Of each vector for each code, the best the largest; None where there is no codebook."""
        codes = self.model.quantize.embedding.weight
        return -torch.cdist(self.rows(x)[None].double(), codes[None].double())[0]

    def ids(self, x):
        return self.model.encode(x)[2][2]

    def decoded(self, x):
        return self.model(x)[0]

    def parameters(self):
        return self.model.state_dict()


def network(**changes):
    return dict(double_z=False, z_channels=8, resolution=SIZE, in_channels=3, out_ch=3, ch=32, ch_mult=[1, 2],
                num_res_blocks=1, attn_resolutions=[SIZE // 2], dropout=0.0) | changes


class Taming(Family):
    def __init__(self):
        stub_frameworks()
        self.model = fetched("taming-transformers", "taming.models.vqgan").VQModel(network(), {}, 64, 6)


class Gumbel(Family):
    def __init__(self):
        stub_frameworks()
        self.model = fetched("taming-transformers", "taming.models.vqgan").GumbelVQ(
            network(attn_resolutions=[]), {}, 64, 8, {})

    def scores(self, x):
        return self.model.quantize.proj(self.latents(x)).permute(0, 2, 3, 1).flatten(0, 2)

    def ids(self, x):
        return self.scores(x).argmax(1)

    def decoded(self, x):
        z = self.latents(x)
        codes = self.model.quantize.embed(self.ids(x)).view(z.shape[0], *z.shape[2:], -1)
        return self.model.decode(codes.permute(0, 3, 1, 2))


class LatentDiffusionKL(Family):
    def __init__(self):
        stub_frameworks()
        for name in ("taming", "taming.modules", "taming.modules.vqvae"):
            stub(name, __path__=[])
        stub("taming.modules.vqvae.quantize", VectorQuantizer2=None)
        module = fetched("latent-diffusion", "ldm.models.autoencoder")
        module.instantiate_from_config = lambda _: torch.nn.Identity()
        self.model = module.AutoencoderKL(network(double_z=True, z_channels=4), {}, 3)

    def scores(self, x):
        return None

    def ids(self, x):
        return None

    def means(self, x):
        return self.model.encode(x).mode()

    def decoded(self, x):
        return self.model.decode(self.means(x))


class LlamaGen(Family):
    def __init__(self):
        module = from_file("LlamaGen", "tokenizer", "tokenizer_image", "vq_model.py")
        model = module.VQModel.__new__(module.VQModel)
        torch.nn.Module.__init__(model)
        model.encoder = module.Encoder(ch=32, ch_mult=(1, 2), num_res_blocks=1, z_channels=8)
        model.decoder = module.Decoder(ch=32, ch_mult=(1, 2), num_res_blocks=1, z_channels=8)
        model.quantize = module.VectorQuantizer(64, 6, 0.25, 0.0, True, True)
        model.quant_conv = torch.nn.Conv2d(8, 6, 1)
        model.post_quant_conv = torch.nn.Conv2d(6, 8, 1)
        self.model = model

    def scores(self, x):
        unit = torch.nn.functional.normalize
        return unit(self.rows(x)) @ unit(self.model.quantize.embedding.weight).T


class Chameleon(Family):
    def __init__(self):
        vqgan = fetched("chameleon", "chameleon.inference.vqgan")
        self.model = vqgan.VQModel(network(attn_resolutions=[]), n_embed=64, embed_dim=6)


class IBQ(Family):
    def __init__(self):
        stub_frameworks()
        ibqgan = fetched("SEED-Voken", "src.IBQ.models.ibqgan")
        self.model = ibqgan.IBQ(network(), {}, 64, 6, use_entropy_loss=False)

    def scores(self, x):
        return self.rows(x) @ self.model.quantize.embedding.weight.T


class OpenMAGVIT2(Family):
    def __init__(self):
        stub_frameworks()
        lfqgan = fetched("SEED-Voken", "src.Open_MAGVIT2.models.lfqgan")
        settings = network(num_res_blocks=2, z_channels=6)
        del settings["attn_resolutions"], settings["dropout"]
        self.model = lfqgan.VQModel(settings, {}, 64, 6, 1.0, 1.0)

    def latents(self, x):
        return self.model.encoder(x)

    def scores(self, x):
        return torch.stack([self.rows(x).abs().flatten(), 0 * self.rows(x).flatten()], 1)

    def decoded(self, x):
        return self.model.decode(self.model.encode(x)[0])

    def ids(self, x):
        return self.model.encode(x)[2]


class RQVAE(Family):
    def __init__(self):
        for name in ("rqvae", "rqvae.models"):
            stub(name, __path__=[str(PEERS / "rq-vae-transformer" / name.replace(".", "/"))])
        rqvae = importlib.import_module("rqvae.models.rqvae.rqvae")
        side = SIZE // 2
        self.model = rqvae.RQVAE(
            embed_dim=6, n_embed=64, latent_shape=[side, side, 6], code_shape=[side, side, 3], shared_codebook=True,
            restart_unused_codes=True, ddconfig=network())

    def scores(self, x):
        codes = self.model.quantizer.codebooks[0].weight[:-1].double()
        rest, all_scores = self.rows(x).double(), []
        for _ in range(3):
            scores = -torch.cdist(rest[None], codes[None])[0]
            all_scores.append(scores)
            rest = rest - codes[scores.argmax(1)]
        return torch.cat(all_scores)

    def ids(self, x):
        return self.model.get_codes(x)


class Diffusers(Family):
    configuration = {
        "down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
        "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D"], "block_out_channels": [32, 64],
        "layers_per_block": 1, "latent_channels": 8, "norm_num_groups": 16}

    def __init__(self, **changes):
        from diffusers import VQModel
        self.model = VQModel(**self.configuration | {"vq_embed_dim": 6, "num_vq_embeddings": 64} | changes)

    def ids(self, x):
        return self.model.quantize(self.model.encode(x).latents)[2][2]

    def decoded(self, x):
        return self.model(x).sample


class AMUSEd(Diffusers):
    unit = True

    def __init__(self):
        super().__init__(
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
            mid_block_add_attention=False, latent_channels=8, vq_embed_dim=8)


class Janus(Family):
    """transformers' Janus. Codes are chosen as DeepSeek's own code does, by vectors of length 1: transformers' `encode`
    leaves them as they are, its `decode` does not."""

    configuration = {
        "embed_dim": 6, "num_embeddings": 64, "double_latent": False, "latent_channels": 8, "base_channels": 32,
        "num_patches": SIZE // 2, "channel_multiplier": [1, 2], "num_res_blocks": 1}

    def __init__(self):
        from transformers.models.janus import configuration_janus, modeling_janus
        self.model = modeling_janus.JanusVQVAE(configuration_janus.JanusVQVAEConfig(**self.configuration))

    def scores(self, x):
        codes = torch.nn.functional.normalize(self.model.quantize.embedding.weight.double(), dim=-1)
        return torch.nn.functional.normalize(self.rows(x).double(), dim=-1) @ codes.T

    def ids(self, x):
        return self.scores(x).argmax(dim=1)

    def decoded(self, x):
        return self.model.decode(self.ids(x)[None])


class ChameleonEncoder(Family):
    """transformers' Chameleon, which has no decoder; its image processor makes 0.0078 b - 1 of a byte b."""

    def input(self, x):
        return 0.9945 * x - 0.0055

    def __init__(self):
        from transformers.models.chameleon import configuration_chameleon, modeling_chameleon
        self.model = modeling_chameleon.ChameleonVQVAE(configuration_chameleon.ChameleonVQVAEConfig(
            embed_dim=6, num_embeddings=64, double_latent=False, latent_channels=8, base_channels=32,
            channel_multiplier=[1, 2], num_res_blocks=1, resolution=SIZE, attn_resolutions=[SIZE // 2]))

    def ids(self, x):
        return self.model.encode(x).image_tokens

    def decoded(self, x):
        return None


class DiffusersKL(LatentDiffusionKL):
    def __init__(self):
        from diffusers import AutoencoderKL
        self.model = AutoencoderKL(**Diffusers.configuration | {
            "latent_channels": 4, "use_quant_conv": False, "use_post_quant_conv": False})

    def means(self, x):
        return self.model.encode(x).latent_dist.mode()

    def decoded(self, x):
        return self.model.decode(self.means(x)).sample


class MaskGIT(Family):
    unit = True

    def __init__(self):
        muse = stub("muse", __path__=[str(PEERS / "open-muse" / "muse")])
        stub("muse.modeling_utils", ConfigMixin=object, ModelMixin=torch.nn.Module, register_to_config=lambda f: f)
        module = importlib.import_module("muse.modeling_maskgit_vqgan")
        settings = types.SimpleNamespace(
            channel_mult=[1, 2], num_resolutions=2, dropout=0.0, hidden_channels=32, num_channels=3, num_res_blocks=2,
            resolution=SIZE, z_channels=8, attn_resolutions=(), resample_with_conv=True)
        model = torch.nn.Module()
        model.encoder, model.decoder = module.Encoder(settings), module.Decoder(settings)
        model.quantize = module.VectorQuantizer(64, 8, 0.25)
        self.model = model

    def latents(self, x):
        return self.model.encoder(x)

    def ids(self, x):
        return self.model.quantize.get_code(self.latents(x)).flatten()

    def decoded(self, x):
        return self.model.decoder(self.model.quantize(self.latents(x))[0])


class OpenMUSE(Family):
    unit = True

    def __init__(self):
        stub("muse", __path__=[str(PEERS / "open-muse" / "muse")])
        stub("muse.modeling_utils", ConfigMixin=object, ModelMixin=torch.nn.Module, register_to_config=lambda f: f)
        module = importlib.import_module("muse.modeling_taming_vqgan")
        settings = types.SimpleNamespace(
            channel_mult=[1, 2], num_resolutions=2, dropout=0.0, hidden_channels=32, num_channels=3, num_res_blocks=2,
            resolution=SIZE, z_channels=8, attn_resolutions=(SIZE // 2,), no_attn_mid_block=False,
            resample_with_conv=True)
        model = torch.nn.Module()
        model.encoder, model.decoder = module.Encoder(settings), module.Decoder(settings)
        model.quantize = module.VectorQuantizer(64, 6, 0.25)
        model.quant_conv, model.post_quant_conv = torch.nn.Conv2d(8, 6, 1), torch.nn.Conv2d(6, 8, 1)
        self.model = model

    def ids(self, x):
        return self.model.quantize.get_code(self.latents(x)).flatten()

    def decoded(self, x):
        return self.model.decoder(self.model.post_quant_conv(self.model.quantize(self.latents(x))[0]))


class ShowO(Family):
    def __init__(self):
        models = PEERS / "Show-o" / "models"
        stub("models", __path__=[str(models)])
        stub("models.modeling_utils", ConfigMixin=object, ModelMixin=torch.nn.Module, register_to_config=lambda f: f)
        stub("models.misc", List=list)
        module = importlib.import_module("models.modeling_magvitv2")
        settings = dict(ch=32, resolution=SIZE, z_channels=6)
        model = module.MAGVITv2.__new__(module.MAGVITv2)
        torch.nn.Module.__init__(model)
        model.encoder = module.VQGANEncoder(ch_mult=[1, 2], num_res_blocks=[2, 1], attn_resolutions=[5], **settings)
        model.decoder = module.VQGANDecoder(ch_mult=[2, 2], num_res_blocks=[1, 3], attn_resolutions=[5], **settings)
        model.quantize = module.LFQuantizer(num_codebook_entry=64, codebook_dim=6)
        self.model = model

    def latents(self, x):
        return self.model.encoder(x)

    def scores(self, x):
        return torch.stack([self.rows(x).abs().flatten(), 0 * self.rows(x).flatten()], 1)

    def ids(self, x):
        return self.model.encode(x)[1].flatten()

    def decoded(self, x):
        return self.model.decoder(self.model.encode(x)[0])["output"]


class Cosmos(Family):
    def __init__(self):
        stub("loguru", logger=__import__("logging").getLogger("cosmos"))
        networks = fetched("Cosmos-Tokenizer", "cosmos_tokenizer.networks")
        settings = dict(networks.TokenizerConfigs.DI.value) | {
            "spatial_compression": 8, "dtype": torch.float32, "channels": 32, "channels_mult": [1, 2, 2],
            "num_res_blocks": 1, "resolution": 1024}
        self.model = networks.TokenizerModels.DI.value(**settings)

    def scores(self, x):
        levels = torch.tensor([8, 8, 8, 5, 5, 5])
        half = (levels - 1) * 1.001 / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        bounded = (self.rows(x) + (offset / half).atanh()).tanh() * half - offset
        tie = (bounded - bounded.floor() - 0.5).abs().flatten()
        return torch.stack([tie, 0 * tie], 1)

    def ids(self, x):
        return self.model.encode(x)[0]

    def decoded(self, x):
        return self.model.decode(self.model.encode(x)[1])


FAMILIES = {
    "diffusers": Diffusers, "diffusers-kl": DiffusersKL, "amused": AMUSEd, "taming": Taming,
    "latent-diffusion-kl": LatentDiffusionKL, "gumbel": Gumbel, "llamagen": LlamaGen, "chameleon": Chameleon,
    "rq-vae": RQVAE, "open-muse": OpenMUSE, "maskgit": MaskGIT, "ibq": IBQ, "show-o": ShowO, "cosmos-di": Cosmos,
    "open-magvit2": OpenMAGVIT2, "janus": Janus, "chameleon-encoder": ChameleonEncoder,
}
# How large codes are, so that many of them are used and none is chosen by a hair.
AMPLITUDES = {"taming": 1.0}
CODEBOOKS = re.compile(r"quantize\.embedding\.weight|quantizer\.codebooks\.\d+\.weight|quantize\.embed\.weight")


def fill(model, amplitude):
    """Gives a model the weights of the rule; returns names and shapes."""
    state = model.state_dict()
    filled, shapes = {}, []
    for name in sorted(state):
        shape = list(state[name].shape)
        if not state[name].is_floating_point() or not name.endswith((".weight", ".bias")):
            continue
        if CODEBOOKS.fullmatch(name):
            # RQ-VAE's codebooks are one and the same.
            array = values(re.sub(r"codebooks\.\d+", "codebooks.0", name), shape, amplitude)
        else:
            array = parameter(name, shape, amplitude)
        filled[name] = torch.from_numpy(array)
        shapes.append([name, shape])
    model.load_state_dict(filled, strict=False)
    return shapes


def make(name):
    """Tensors and metadata of one family."""
    family = FAMILIES[name]()
    family.model.eval().requires_grad_(False)
    amplitude = AMPLITUDES.get(name, 1.0)
    shapes = fill(family.model, amplitude)
    x = torch.from_numpy(values("image", (1, 3, SIZE, SIZE)))
    own = family.input(x)
    scores = family.scores(own)
    margin, kinds = None, None
    tensors = {}
    grid = None
    if scores is not None:
        best = scores.sort(dim=1, descending=True).values
        margin = ((best[:, 0] - best[:, 1]).min() / scores.std()).item()
        ids = family.ids(own)
        kinds = len(ids.unique())
        z = family.latents(own)
        grid = (z.shape[0], *z.shape[2:])
        shape = grid if ids.numel() == grid[0] * grid[1] * grid[2] else (*grid, -1)
        tensors[f"{name}.ids"] = ids.reshape(shape).int().numpy()
    else:
        tensors[f"{name}.latents"] = family.means(own).permute(0, 2, 3, 1).contiguous().numpy()
    print(f"{name}: {len(shapes)} tensors, grid {grid}, {kinds} kinds of ids, margin {margin}", flush=True)
    decoded = family.decoded(own)
    if decoded is not None:
        decoded = family.output(decoded).permute(0, 2, 3, 1)
        tensors[f"{name}.decoded"] = decoded.contiguous().float().numpy()
        print(f"    decoded {decoded.mean():.3f} +- {decoded.std():.3f}", flush=True)
    return tensors, {f"{name}.tensors": json.dumps(shapes), f"{name}.amplitude": str(amplitude), f"{name}.margin": str(margin)}


if __name__ == "__main__":
    tensors, metadata = {}, {}
    for name in sys.argv[1:] or FAMILIES:
        some, facts = make(name)
        tensors |= some
        metadata |= facts
    if not sys.argv[1:]:
        facts = {"madeBy": "Tests/Golden/golden_families.py"}
        write(pathlib.Path(__file__).parent, "families", tensors, metadata | facts)
