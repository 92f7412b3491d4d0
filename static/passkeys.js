(()=>{const d=document,P=window.PublicKeyCredential,$$=s=>[...d.querySelectorAll(s)];
if(!P||!navigator.credentials){$$('form[data-passkey=create] .no-passkeys').forEach(p=>{p.hidden=false;});return;}
const bytes=s=>Uint8Array.from(atob(s.replace(/-/g,'+').replace(/_/g,'/')),c=>c.charCodeAt(0));
const text=b=>{let s='';new Uint8Array(b).forEach(n=>{s+=String.fromCharCode(n);});return btoa(s).replace(/\+/g,'-').replace(/\//g,'_').replace(/=+$/,'');};
const known=l=>(l||[]).map(c=>({...c,id:bytes(c.id)}));
const json=(c,response)=>JSON.stringify({id:c.id,rawId:text(c.rawId),type:c.type,response:{clientDataJSON:text(c.response.clientDataJSON),...response}});
let running;
const start=()=>{if(running)running.abort();running=new AbortController();return running.signal;};
const create=async o=>{const c=await navigator.credentials.create({signal:start(),publicKey:{...o,challenge:bytes(o.challenge),user:{...o.user,id:bytes(o.user.id)},excludeCredentials:known(o.excludeCredentials)}}),r=c.response;
return json(c,{attestationObject:text(r.attestationObject),transports:r.getTransports?r.getTransports():[]});};
const get=async(o,state,mediation)=>{const c=await navigator.credentials.get({...(mediation?{mediation}:{}),signal:start(),publicKey:{...o,challenge:bytes(o.challenge),allowCredentials:known(o.allowCredentials)}}),r=c.response;
const answer=json(c,{authenticatorData:text(r.authenticatorData),signature:text(r.signature),userHandle:r.userHandle&&r.userHandle.byteLength?text(r.userHandle):null});
return 'passkey.'+state+'.'+text(new TextEncoder().encode(answer));};
const words={NotAllowedError:'No passkey was used. Try again, or use another way.',InvalidStateError:'This device has a passkey for your account already.',SecurityError:'Passkeys work only at the address that the operator has set for this site.',NotSupportedError:'This device cannot make a passkey that is accepted here.'};
const tell=(at,error)=>{if(error.name==='AbortError')return;let p=at.nextElementSibling;if(!p||!p.matches('[role=alert]')){p=d.createElement('p');p.className='err';p.setAttribute('role','alert');at.after(p);}
p.textContent=words[error.name]||'The passkey did not work ('+error.name+'). Try again, or use another way.';};
const send=(form,name,value)=>{form.elements[name].value=value;form.requestSubmit(form.querySelector('button:not([type=button])'));};
$$('form[data-passkey]').forEach(form=>{const{passkey,into,state}=form.dataset;if(form.elements[into].value)return;
const options=JSON.parse(form.dataset.options);form.hidden=false;
const ask=mediation=>passkey==='create'?create(options):get(options,state,mediation);
form.addEventListener('submit',ev=>{if(form.elements[into].value)return;ev.preventDefault();ev.stopImmediatePropagation();
ask().then(value=>send(form,into,value)).catch(error=>tell(form.querySelector('.actions'),error));},true);
if('conditional' in form.dataset&&P.isConditionalMediationAvailable)P.isConditionalMediationAvailable().then(can=>can?ask('conditional'):null).then(value=>{if(value)send(form,into,value);}).catch(()=>{});});
addEventListener('pageshow',ev=>{if(ev.persisted)$$('form[data-passkey]').forEach(form=>{form.elements[form.dataset.into].value='';});});
const ask=b=>fetch(b.dataset.ask,{headers:{Accept:'application/json'}}).then(answer=>answer.ok?answer.json():null);
$$('button[data-ask]').forEach(b=>{ask(b).then(question=>{b.hidden=!question;}).catch(()=>{});
b.addEventListener('click',()=>ask(b).then(q=>get(q.options,q.state)).then(value=>send(b.form,b.dataset.into,value)).catch(error=>tell(b,error)));});
})();
